// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import Cryptography
import HTTPTransport
import Model
import PageScanner
import Webhooks

/// Reads what an event is called, out of a request that is proved.
struct WebhookValues {
    private let delivery: WebhookDelivery
    private let profile: WebhookProfile
    private let message: PubSubMessage?

    /// Longer names are not taken for names.
    private static let maxBytes = 512

    init(_ delivery: WebhookDelivery, _ profile: WebhookProfile) {
        self.delivery = delivery
        self.profile = profile
        message = if case .googlePubSub(_) = profile.scheme { PubSubMessage(delivery.body) } else { nil }
    }

    /// What no other event has. Of one that has no name it is the hash of the body: the same bytes are the same event.
    var eventID: String {
        text(profile.eventID) ?? message.flatMap { Self.usable($0.id) }
            ?? "sha256:\(Hex.encode(SHA256.digest(of: delivery.body)))"
    }

    /// Nil for what is not there, and for what no name can be.
    func text(_ value: WebhookProfile.Value?) -> String? {
        switch value {
        case .header(let name)?: delivery.headers.first(name).flatMap(Self.usable)
        case .body(let pointer)?:
            JSONValueReader.scalarText(at: pointer, in: message?.data ?? delivery.body).flatMap(Self.usable)
        case nil: nil
        }
    }

    private static func usable(_ text: String) -> String? {
        let isUsable =
            (1...maxBytes).contains(text.utf8.count) && !text.utf8.contains { $0 < 0x20 || $0 == 0x7F }
        return isUsable ? text : nil
    }
}
