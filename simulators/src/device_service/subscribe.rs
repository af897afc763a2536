//! What clients do with subscriptions.

use std::collections::BTreeMap;

use instrument_proto::device::v1::monitored_item_create_request::Filter;
use instrument_proto::device::v1::{
    AcknowledgeRequest, AcknowledgeResponse, AttributeId, CreateMonitoredItemsRequest, CreateMonitoredItemsResponse,
    CreateSubscriptionRequest, CreateSubscriptionResponse, DeleteMonitoredItemsRequest, DeleteMonitoredItemsResponse,
    DeleteSubscriptionsRequest, DeleteSubscriptionsResponse, ModifySubscriptionRequest, ModifySubscriptionResponse,
    MonitoredItemCreateRequest, MonitoredItemCreateResult, MonitoringMode, NotificationMessage, PublishRequest,
    RepublishRequest, StatusChange, TimestampsToReturn,
};
use instrument_proto::device::{NodeId, StatusCode, timestamp};
use jiff::{SignedDuration, Timestamp};

use super::event::Selection;
use super::item::{Data, Events, Item, Watch};
use super::limits::Limits;
use super::refusal::Refusal;
use super::server::{Identity, Poll, Server, Stream, stamps};
use super::space::{Kind, standard};
use super::subscription::{Subscription, Terms, Turn};
use super::variable::{ChangeFilter, attribute_of, own};

/// The shortest sampling interval of the server's clock, milliseconds: it changes all the time.
const CLOCK_MS: f64 = 100.0;

impl Server {
    /// Ends the subscriptions whose lifetime is over.
    pub(super) fn expire(&mut self, now: Timestamp) {
        let over = self.subscriptions.iter().filter(|(_, subscription)| subscription.is_over(now));
        let over: Vec<u32> = over.map(|(id, _)| *id).collect();
        for id in over {
            self.subscriptions.remove(&id);
            self.note_ended(id);
        }
    }

    /// Times and counts as they are granted: interval, lifetime, keep-alive, notifications.
    fn terms(&self, interval: f64, lifetime: u32, keep_alive: u32, notifications: u32, enabled: bool) -> Terms {
        let limits = &self.limits;
        let keep_alive = keep_alive.clamp(1, (limits.lifetime / 3).max(1));
        Terms {
            interval_ms: Limits::interval(limits.publishing_ms, interval),
            lifetime: lifetime.min(limits.lifetime).max(keep_alive.saturating_mul(3)),
            keep_alive,
            notifications: match notifications as usize {
                0 => limits.notifications,
                wished => wished.min(limits.notifications),
            },
            enabled,
        }
    }

    /// Makes a subscription.
    ///
    /// # Errors
    /// [`Refusal`] where there are as many as are allowed, or it begins with too many items.
    pub fn create_subscription(
        &mut self,
        asked: &CreateSubscriptionRequest,
        owner: Identity,
        now: Timestamp,
    ) -> Result<CreateSubscriptionResponse, Refusal> {
        self.expire(now);
        let most = self.limits.subscriptions;
        if self.subscriptions.len() >= most {
            let text =
                format!("there are {most} subscriptions, and more are not allowed; delete one or wait for its end");
            return Err(Refusal::new(StatusCode::BAD_TOO_MANY_SUBSCRIPTIONS, text));
        }
        if !asked.items_to_create.is_empty() {
            Refusal::check_count(asked.items_to_create.len(), self.limits.per_call)?;
        }
        let stamps = stamps(asked.timestamps_to_return)?;
        let terms = self.terms(
            asked.requested_publishing_interval_ms,
            asked.requested_lifetime_count,
            asked.requested_max_keep_alive_count,
            asked.max_notifications_per_publish,
            asked.publishing_enabled.unwrap_or(true),
        );
        let Some(id) = self.last_subscription.checked_add(1) else {
            return Err(Refusal::new(StatusCode::BAD_TOO_MANY_SUBSCRIPTIONS, "all numbers of this epoch were used"));
        };
        self.last_subscription = id;
        let (kept, room) = (self.limits.retransmission, self.limits.content());
        self.subscriptions.insert(id, Subscription::new(id, owner, terms, kept, room, now));
        let create = |item| self.create_item(id, item, stamps, terms.interval_ms, now);
        let results = asked.items_to_create.iter().map(create).collect();
        Ok(CreateSubscriptionResponse {
            subscription_id: id,
            revised_publishing_interval_ms: terms.interval_ms,
            revised_lifetime_count: terms.lifetime,
            revised_max_keep_alive_count: terms.keep_alive,
            retransmission_queue_size: u32::try_from(kept).unwrap_or(u32::MAX),
            server_epoch: self.epoch.clone(),
            results,
        })
    }

    /// The subscription of this client.
    fn own_subscription(&mut self, id: u32, owner: &Identity, now: Timestamp) -> Result<&mut Subscription, Refusal> {
        self.expire(now);
        let subscription = self.subscriptions.get_mut(&id).filter(|subscription| subscription.owner == *owner);
        subscription.ok_or_else(|| {
            let text = format!("there is no subscription {id} of this client in this epoch; create one");
            Refusal::new(StatusCode::BAD_SUBSCRIPTION_ID_INVALID, text)
        })
    }

    fn check_epoch(&self, epoch: &str) -> Result<(), Refusal> {
        if epoch.is_empty() || epoch == self.epoch {
            return Ok(());
        }
        let text =
            format!("the server's epoch is {}, and what was subscribed to before is gone; subscribe again", self.epoch);
        Err(Refusal::new(StatusCode::BAD_SUBSCRIPTION_ID_INVALID, text))
    }

    /// Changes a subscription.
    ///
    /// # Errors
    /// [`Refusal`] where there is no such subscription.
    pub fn modify_subscription(
        &mut self,
        asked: &ModifySubscriptionRequest,
        owner: &Identity,
        now: Timestamp,
    ) -> Result<ModifySubscriptionResponse, Refusal> {
        let enabled = self.own_subscription(asked.subscription_id, owner, now)?.terms.enabled;
        let terms = self.terms(
            asked.requested_publishing_interval_ms,
            asked.requested_lifetime_count,
            asked.requested_max_keep_alive_count,
            asked.max_notifications_per_publish,
            asked.publishing_enabled.unwrap_or(enabled),
        );
        let subscription = self.own_subscription(asked.subscription_id, owner, now)?;
        subscription.terms = terms;
        subscription.touch(now);
        Ok(ModifySubscriptionResponse {
            revised_publishing_interval_ms: terms.interval_ms,
            revised_lifetime_count: terms.lifetime,
            revised_max_keep_alive_count: terms.keep_alive,
        })
    }

    /// Ends subscriptions. Their streams end without a word.
    ///
    /// # Errors
    /// [`Refusal`] where the call names nothing or too much.
    pub fn delete_subscriptions(
        &mut self,
        asked: &DeleteSubscriptionsRequest,
        owner: &Identity,
        now: Timestamp,
    ) -> Result<DeleteSubscriptionsResponse, Refusal> {
        Refusal::check_count(asked.subscription_ids.len(), self.limits.per_call)?;
        let mut results = Vec::with_capacity(asked.subscription_ids.len());
        for id in &asked.subscription_ids {
            let code = match self.own_subscription(*id, owner, now) {
                Ok(_) => StatusCode::GOOD,
                Err(refusal) => refusal.code,
            };
            if code == StatusCode::GOOD {
                self.subscriptions.remove(id);
            }
            results.push(code.0);
        }
        Ok(DeleteSubscriptionsResponse { results })
    }

    /// Adds items to a subscription.
    ///
    /// # Errors
    /// [`Refusal`] where there is no such subscription, or the call names nothing or too much.
    pub fn create_items(
        &mut self,
        asked: &CreateMonitoredItemsRequest,
        owner: &Identity,
        now: Timestamp,
    ) -> Result<CreateMonitoredItemsResponse, Refusal> {
        Refusal::check_count(asked.items_to_create.len(), self.limits.per_call)?;
        let stamps = stamps(asked.timestamps_to_return)?;
        let subscription = self.own_subscription(asked.subscription_id, owner, now)?;
        subscription.touch(now);
        let interval = subscription.terms.interval_ms;
        let create = |item| self.create_item(asked.subscription_id, item, stamps, interval, now);
        Ok(CreateMonitoredItemsResponse { results: asked.items_to_create.iter().map(create).collect() })
    }

    fn create_item(
        &mut self,
        subscription: u32,
        asked: &MonitoredItemCreateRequest,
        stamps: TimestampsToReturn,
        publishing_ms: f64,
        now: Timestamp,
    ) -> MonitoredItemCreateResult {
        if self.wrong_codes > 0 {
            self.wrong_codes -= 1;
            return MonitoredItemCreateResult { status_code: 0x8DEA_D000, ..MonitoredItemCreateResult::default() };
        }
        let full = self.subscriptions.get(&subscription).is_none_or(|held| held.items.len() >= self.limits.items);
        let made = if full {
            Err(StatusCode::BAD_TOO_MANY_MONITORED_ITEMS)
        } else {
            self.item(asked, stamps, publishing_ms, now)
        };
        match (made, self.subscriptions.get_mut(&subscription)) {
            (Ok((item, mut result)), Some(held)) => {
                self.last_item = self.last_item.wrapping_add(1).max(1);
                result.monitored_item_id = self.last_item;
                held.items.insert(self.last_item, item);
                result
            }
            (Err(code), _) => MonitoredItemCreateResult { status_code: code.0, ..MonitoredItemCreateResult::default() },
            (_, None) => MonitoredItemCreateResult {
                status_code: StatusCode::BAD_SUBSCRIPTION_ID_INVALID.0,
                ..MonitoredItemCreateResult::default()
            },
        }
    }

    fn item(
        &self,
        asked: &MonitoredItemCreateRequest,
        stamps: TimestampsToReturn,
        publishing_ms: f64,
        now: Timestamp,
    ) -> Result<(Item, MonitoredItemCreateResult), StatusCode> {
        let wanted = asked.item_to_monitor.as_ref().ok_or(StatusCode::BAD_NODE_ID_INVALID)?;
        let (node_id, node, attribute, range) = self.locate(wanted)?;
        let reports = match asked.monitoring_mode.map(MonitoringMode::try_from) {
            None | Some(Ok(MonitoringMode::Reporting)) => true,
            Some(Ok(_)) => false,
            Some(Err(_)) => return Err(StatusCode::BAD_NOT_SUPPORTED),
        };
        let mut result = MonitoredItemCreateResult::default();
        let size = |least: usize| match asked.queue_size as usize {
            0 => least,
            wished => wished.min(self.limits.queue),
        };
        let (watch, queue_size) =
            if let (AttributeId::EventNotifier, Some(Filter::Events(filter))) = (attribute, &asked.filter) {
                if !node.is_notifier() {
                    return Err(StatusCode::BAD_ATTRIBUTE_ID_INVALID);
                }
                let (selection, codes) = Selection::new(filter, &self.space, self.limits.per_call)?;
                result.select_clause_results = codes.iter().map(|code| code.0).collect();
                (Watch::Events(Events::new(selection)), size(self.limits.queue))
            } else {
                let value = match (&node.kind, attribute) {
                    (Kind::Variable(_), AttributeId::Value) => self.current(&node_id, now),
                    (_, AttributeId::EventNotifier) => return Err(StatusCode::BAD_MONITORED_ITEM_FILTER_INVALID),
                    _ => own(attribute_of(&node_id, node, attribute).ok_or(StatusCode::BAD_ATTRIBUTE_ID_INVALID)?, now),
                };
                let filter = match (&asked.filter, node.variable()) {
                    (None, _) => ChangeFilter::PLAIN,
                    (Some(Filter::DataChange(filter)), Some(variable)) if attribute == AttributeId::Value => {
                        ChangeFilter::new(filter, variable)?
                    }
                    _ => return Err(StatusCode::BAD_FILTER_NOT_ALLOWED),
                };
                let clock = node_id == NodeId::numeric(0, standard::CURRENT_TIME);
                let wished = asked.sampling_interval_ms;
                let wished = if wished < 0.0 { publishing_ms } else { wished };
                let granted = Limits::interval(self.limits.sampling_ms, wished).max(if clock { CLOCK_MS } else { 0.0 });
                result.revised_sampling_interval_ms = granted;
                let sampling = SignedDuration::try_from_secs_f64(granted / 1000.0).unwrap_or_default();
                let mut data = Data::new(filter, range, stamps, sampling, now);
                data.first(value, clock);
                (Watch::Data(data), size(1))
            };
        result.revised_queue_size = u32::try_from(queue_size).unwrap_or(u32::MAX);
        let discard_oldest = asked.discard_oldest.unwrap_or(true);
        let client_handle = asked.client_handle;
        Ok((Item { client_handle, node: node_id, reports, queue_size, discard_oldest, watch }, result))
    }

    /// Takes items away.
    ///
    /// # Errors
    /// [`Refusal`] where there is no such subscription, or the call names nothing or too much.
    pub fn delete_items(
        &mut self,
        asked: &DeleteMonitoredItemsRequest,
        owner: &Identity,
        now: Timestamp,
    ) -> Result<DeleteMonitoredItemsResponse, Refusal> {
        Refusal::check_count(asked.monitored_item_ids.len(), self.limits.per_call)?;
        let subscription = self.own_subscription(asked.subscription_id, owner, now)?;
        subscription.touch(now);
        let items: &mut BTreeMap<u32, Item> = &mut subscription.items;
        let delete = |id: &u32| match items.remove(id) {
            Some(_) => StatusCode::GOOD.0,
            None => StatusCode::BAD_MONITORED_ITEM_ID_INVALID.0,
        };
        Ok(DeleteMonitoredItemsResponse { results: asked.monitored_item_ids.iter().map(delete).collect() })
    }

    /// Opens the stream of a subscription, in place of the one before.
    ///
    /// # Errors
    /// [`Refusal`] where there is no such subscription in this epoch.
    pub fn open(&mut self, asked: &PublishRequest, owner: &Identity, now: Timestamp) -> Result<Stream, Refusal> {
        self.check_epoch(&asked.server_epoch)?;
        let number = self.own_subscription(asked.subscription_id, owner, now)?.open(now);
        Ok(Stream { subscription: asked.subscription_id, number })
    }

    /// What a stream, which can take a message, has to do now. Whoever does not ask any more has gone.
    pub fn poll(&mut self, stream: Stream, now: Timestamp) -> Poll {
        self.expire(now);
        let Some(subscription) = self.subscriptions.get_mut(&stream.subscription) else {
            let over = self.ended.contains(&stream.subscription);
            return Poll::End(over.then(|| {
                let text = "no stream took a message for the subscription's lifetime, and nothing named it";
                self.last_word(stream, StatusCode::BAD_TIMEOUT, text, now)
            }));
        };
        if subscription.stream != stream.number {
            let text = "another stream of this subscription was opened";
            return Poll::End(Some(self.last_word(stream, StatusCode::GOOD_SUBSCRIPTION_TRANSFERRED, text, now)));
        }
        match subscription.turn(now, &self.epoch) {
            Turn::Say(message) => Poll::Say(Box::new(message)),
            Turn::Wait(until) => Poll::Wait(until),
        }
    }

    fn last_word(&self, stream: Stream, code: StatusCode, text: &str, now: Timestamp) -> Box<NotificationMessage> {
        Box::new(NotificationMessage {
            subscription_id: stream.subscription,
            publish_time: Some(timestamp(now)),
            status_change: Some(StatusChange { status_code: code.0, message: text.to_owned() }),
            server_epoch: self.epoch.clone(),
            ..NotificationMessage::default()
        })
    }

    /// Forgets messages.
    ///
    /// # Errors
    /// [`Refusal`] where the call names nothing or too much.
    pub fn acknowledge(
        &mut self,
        asked: &AcknowledgeRequest,
        owner: &Identity,
        now: Timestamp,
    ) -> Result<AcknowledgeResponse, Refusal> {
        Refusal::check_count(asked.acknowledgements.len(), self.limits.per_call)?;
        let mut results = Vec::with_capacity(asked.acknowledgements.len());
        for one in &asked.acknowledgements {
            let code = match self.own_subscription(one.subscription_id, owner, now) {
                Ok(subscription) => subscription.acknowledge(one.sequence_number, one.and_earlier, now),
                Err(refusal) => refusal.code,
            };
            results.push(code.0);
        }
        Ok(AcknowledgeResponse { results })
    }

    /// A message once more.
    ///
    /// # Errors
    /// [`Refusal`] where there is no such subscription in this epoch, or the message cannot be had any more.
    pub fn republish(
        &mut self,
        asked: &RepublishRequest,
        owner: &Identity,
        now: Timestamp,
    ) -> Result<NotificationMessage, Refusal> {
        self.check_epoch(&asked.server_epoch)?;
        let number = asked.retransmit_sequence_number;
        let subscription = self.own_subscription(asked.subscription_id, owner, now)?;
        subscription.again(number, now).ok_or_else(|| {
            let text = format!(
                "message {number} was acknowledged, is older than what is kept, or was never sent; read the history of its time"
            );
            Refusal::new(StatusCode::BAD_MESSAGE_NOT_AVAILABLE, text)
        })
    }
}
