//! What is still on its way when the instruments have stopped.

use std::time::Duration;

use tokio::time::Instant;

use super::score::Made;
use super::stage;
use super::subscriber::Subscriber;
use super::teller::Teller;
use crate::device::Board;
use crate::event::DeviceId;

/// How long is waited for it.
const PATIENCE: Duration = Duration::from_secs(3);
/// Between two looks at what nobody tells by itself.
const LOOK: Duration = Duration::from_millis(100);

/// Waits until the daemon has noticed that the robot's line is closed and the BioLector XT switched off: what it makes while
/// it stops would wait in the journal for its next start.
pub async fn hear_of_the_end(board: &Board) {
    let lines: Vec<DeviceId> = [stage::ROBOLECTOR, stage::BIOLECTOR_XT].iter().flat_map(|id| id.parse()).collect();
    let is_open = || lines.iter().filter_map(|id| board.device(id)).any(|state| state.connection == "connected");
    let give_up = Instant::now() + PATIENCE;
    while is_open() && Instant::now() < give_up {
        tokio::time::sleep(LOOK).await;
    }
    // The state is shown a moment before the event is recorded.
    tokio::time::sleep(LOOK).await;
}

/// Takes in what is still on its way.
pub async fn hear_out(subscriber: &mut Subscriber, teller: &mut Teller, made: &Made) {
    for heard in subscriber.hear_out(made, PATIENCE).await {
        teller.take(&heard);
    }
}
