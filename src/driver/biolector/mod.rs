//! The BioLector driver.
pub const DECODING: &str = "stub";
pub struct Context {
    pub stated_run_id: Option<String>,
    pub stated_start: Option<jiff::Timestamp>,
}
impl Context {
    pub fn of(_: &crate::event::SiteId, _: &crate::config::settings::DeviceSettings) -> Self {
        Self { stated_run_id: None, stated_start: None }
    }
}
struct D;
impl crate::driver::Driver for D {
    fn handle(&mut self, _: crate::driver::Input<'_>, _: jiff::Timestamp, _: &mut crate::driver::Effects) {}
}
pub fn driver(_: Context) -> impl crate::driver::Driver {
    D
}
