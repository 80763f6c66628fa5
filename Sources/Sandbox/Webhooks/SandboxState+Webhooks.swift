// SPDX-License-Identifier: Apache-2.0

import Cryptography
import Model

/// Notifications of what changed: made when somebody wants them, sent by the server, kept in the ledger.
extension SandboxState {
    /// Makes the notifications of the changes since the last call.
    mutating func collectNotifications(at now: RequestTime) {
        defer { webhooks.seen = store.sequence }
        guard !webhooks.isIdle, webhooks.seen < store.sequence else { return }
        let changes = store.changes(after: webhooks.seen, limit: store.sequence)
        for target in webhooks.targets { notify(target, changes, at: now) }
        // A channel tells that something changed, not what: one notification for all of it.
        let changed = Set(changes.map(\.key))
        for id in webhooks.channels.keys.sorted()
        where webhooks.channels[id].map({ changed.contains($0.key) }) == true {
            webhooks.notify(id, state: "exists", at: now)
        }
    }

    /// The deliveries to send now.
    mutating func takeDeliveries(at now: RequestTime) -> [WebhookDelivery] {
        collectNotifications(at: now)
        return webhooks.takeDue(at: now.monotonic, limit: 64)
    }

    /// Notes how an attempt ended, status 0 for no answer, and plans the next one.
    mutating func finish(
        _ delivery: WebhookDelivery, status: Int, sentAt sent: RequestTime, at now: RequestTime
    ) {
        var delivery = delivery
        delivery.attempts += 1
        let sequence = store.sequence
        ledger.add { number in
            RequestLedger.Entry(
                number: number, at: sent, service: delivery.service, endpoint: "webhook", method: "POST",
                path: RequestLedger.cut(delivery.url), query: "attempt=\(delivery.attempts)",
                user: delivery.user, stream: nil, status: status, bytes: delivery.body.utf8.count,
                sequence: sequence, fault: nil,
                write: WriteNote(key: delivery.id, isReplay: delivery.attempts > 1))
        }
        let wait = WebhookRetry.wait(delivery.service, attempts: delivery.attempts, status: status)
        if let wait {
            delivery.due = now.monotonic + wait
            webhooks.enqueue(delivery)
        }
    }

    private mutating func notify(
        _ target: WebhookTarget, _ changes: [(key: CollectionKey, change: ObjectChange)], at now: RequestTime
    ) {
        var deliveries = changes.compactMap { key, change in
            key.stream.service == target.service && (target.user ?? key.user) == key.user
                ? delivery(target, key, change, at: now) : nil
        }
        if target.isDoubled { deliveries = deliveries.flatMap { [$0, $0] } }
        var start = 0
        while start < deliveries.count {
            let end = min(deliveries.count, start + max(1, target.reversed))
            for delivery in deliveries[start..<end].reversed() { webhooks.enqueue(delivery) }
            start = end
        }
    }

    private func delivery(
        _ target: WebhookTarget, _ key: CollectionKey, _ change: ObjectChange, at now: RequestTime
    ) -> WebhookDelivery? {
        let id: String
        let body: String
        switch target.service {
        case .stripe:
            let api = StripeAPI(store: store, bytes: bytes, eras: eras)
            id = api.eventID(change.sequence, key.user)
            body = api.json(change.sequence, key.user)
        case .slack:
            id = "Ev0" + bytes.names.code(key, change.sequence, length: 11)
            body = SlackEvent(store: store, bytes: bytes).json(id, key, change)
        case .gmail:
            guard mailWatches[key.user].map({ $0.expiration > now.wall.milliseconds }) == true else {
                return nil
            }
            id = "\(change.sequence)"
            body = push(key.user, id, at: now)
        case .googleCalendar, .oauth: return nil
        }
        return WebhookDelivery(
            id: id, service: target.service, user: key.user, url: target.url, secret: target.secret,
            body: body, due: now.monotonic)
    }

    /// The body with which Pub/Sub pushes a notification of Gmail: the mailbox and its newest number.
    private func push(_ user: Int, _ id: String, at now: RequestTime) -> String {
        let history = GmailAPI(store: store, bytes: bytes, eras: eras).historyID(user)
        let address = ObjectName.primary(configuration.name(ofUser: user))
        let data = #"{"emailAddress":"\#(address)","historyId":"\#(history.text)"}"#
        let time = now.wall.rfc3339
        return """
            {"message":{"data":"\(Base64.standard.encode(Array(data.utf8)))","messageId":"\(id)",\
            "message_id":"\(id)","publishTime":"\(time)","publish_time":"\(time)"},\
            "subscription":"projects/sandbox/subscriptions/gmail"}
            """
    }
}
