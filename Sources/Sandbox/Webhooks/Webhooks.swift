// SPDX-License-Identifier: Apache-2.0

import Cryptography
import Model

/// Targets, channels, and the notifications that wait to be sent.
struct Webhooks: Sendable {
    /// More waiting notifications are dropped and counted.
    private static let limit = 100_000

    var channels: [String: CalendarChannel] = [:]
    private(set) var targets: [WebhookTarget] = []
    private(set) var waiting: [WebhookDelivery] = []
    private(set) var dropped = 0
    /// The newest change that was looked at.
    var seen = 0

    var isIdle: Bool { targets.isEmpty && channels.isEmpty }

    mutating func add(_ target: WebhookTarget) { targets.append(target) }

    mutating func clear() {
        targets = []
        waiting = []
    }

    mutating func enqueue(_ delivery: WebhookDelivery) {
        guard waiting.count < Self.limit else {
            dropped += 1
            return
        }
        waiting.append(delivery)
    }

    /// The deliveries that are due, at most so many, and no longer waiting.
    mutating func takeDue(at now: Int64, limit: Int) -> [WebhookDelivery] {
        guard !waiting.isEmpty else { return [] }
        var due: [WebhookDelivery] = []
        var rest: [WebhookDelivery] = []
        for delivery in waiting {
            if delivery.due <= now, due.count < limit {
                due.append(delivery)
            } else {
                rest.append(delivery)
            }
        }
        waiting = rest
        return due
    }

    /// The first notification of a channel: that it is there.
    mutating func announce(_ channel: CalendarChannel, at now: RequestTime) {
        notify(channel.id, state: "sync", at: now)
    }

    mutating func notify(_ id: String, state: String, at now: RequestTime) {
        guard var channel = channels[id], channel.expiration > now.wall.milliseconds else {
            channels[id] = nil
            return
        }
        channel.messages += 1
        channels[id] = channel
        var headers = [
            ("X-Goog-Channel-ID", id), ("X-Goog-Message-Number", "\(channel.messages)"),
            ("X-Goog-Resource-ID", channel.resource), ("X-Goog-Resource-State", state),
            ("X-Goog-Resource-URI", channel.uri),
            ("X-Goog-Channel-Expiration", HTTPDateText.text(channel.expiration / 1_000)),
        ]
        if let token = channel.token { headers.append(("X-Goog-Channel-Token", token)) }
        enqueue(
            WebhookDelivery(
                id: "\(id)/\(channel.messages)", service: .googleCalendar, user: channel.key.user,
                url: channel.address, secret: "", body: "", headers: headers, due: now.monotonic))
    }
}

extension WebhookDelivery {
    /// All headers of the next attempt, signed at this moment.
    func signedHeaders(at now: RequestTime) throws(CryptoError) -> [(name: String, value: String)] {
        let seconds = now.wall.seconds
        var headers = self.headers
        switch service {
        case .slack:
            let code = try HMAC.sha256(key: Array(secret.utf8), message: Array("v0:\(seconds):\(body)".utf8))
            headers += [
                ("Content-Type", "application/json"), ("X-Slack-Request-Timestamp", "\(seconds)"),
                ("X-Slack-Signature", "v0=" + Hex.encode(code)),
            ]
            if attempts > 0 {
                headers += [("X-Slack-Retry-Num", "\(attempts)"), ("X-Slack-Retry-Reason", "http_error")]
            }
        case .stripe:
            let code = try HMAC.sha256(key: Array(secret.utf8), message: Array("\(seconds).\(body)".utf8))
            headers += [
                ("Content-Type", "application/json; charset=utf-8"),
                ("Stripe-Signature", "t=\(seconds),v1=\(Hex.encode(code))"),
            ]
        case .gmail:
            headers.append(("Content-Type", "application/json"))
            if !secret.isEmpty {
                let token = try PushIdentity.token(email: secret, audience: url, at: seconds)
                headers.append(("Authorization", "Bearer \(token)"))
            }
        case .googleCalendar, .oauth: break
        }
        return headers
    }
}
