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
    /// The event, where a request has several; else the body.
    private let content: [UInt8]

    /// Longer names are not taken for names.
    private static let maxBytes = 512

    /// `event` is one of the events of a request that has several.
    init(_ delivery: WebhookDelivery, _ profile: WebhookProfile, event: [UInt8]? = nil) {
        content = event ?? delivery.body
        self.delivery = delivery
        self.profile = profile
        message = if case .googlePubSub(_) = profile.scheme { PubSubMessage(delivery.body) } else { nil }
    }

    /// What no other event has. Of one that has no name it is the hash of the body: the same bytes are the same event. So it is
    /// where the name is in a header that nothing vouches for: whoever has seen a request could send it again under another.
    var eventID: String {
        let names = profile.eventID.compactMap { text($0) }
        guard isVouched else {
            return hash(Array((eventType ?? "").utf8) + [0] + content)
        }
        if !names.isEmpty, names.count == profile.eventID.count {
            return Self.usable(names.joined(separator: "/")) ?? hash(content)
        }
        return message.flatMap { Self.usable($0.id) } ?? hash(content)
    }

    /// What kind of event it is; nil where it does not say.
    var eventType: String? { text(profile.eventType) }

    /// The account as the provider names it; nil where it does not say.
    var account: String? { text(profile.account) }

    private var isVouched: Bool {
        profile.eventID.allSatisfy { value in
            if case .header(let name) = value { profile.scheme.vouches(forHeader: name) } else { true }
        }
    }

    private func hash(_ bytes: [UInt8]) -> String { "sha256:\(Hex.encode(SHA256.digest(of: bytes)))" }

    /// Nil for what is not there, and for what no name can be.
    private func text(_ value: WebhookProfile.Value?) -> String? {
        switch value {
        case .header(let name)?: delivery.headers.first(name).flatMap(Self.usable)
        case .body(let pointer)?:
            JSONValueReader.scalarText(at: pointer, in: message?.data ?? content).flatMap(Self.usable)
        case nil: nil
        }
    }

    private static func usable(_ text: String) -> String? {
        let isUsable =
            (1...maxBytes).contains(text.utf8.count) && !text.utf8.contains { $0 < 0x20 || $0 == 0x7F }
        return isUsable ? text : nil
    }
}
