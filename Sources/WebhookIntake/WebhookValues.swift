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
    private let changes: (WebhookEvent) -> [WebhookChange]

    /// Longer names are not taken for names.
    private static let maxBytes = 512

    /// `event` is one of the events of a request that has several; `changes` says what an event asks to read.
    init(
        _ delivery: WebhookDelivery, _ profile: WebhookProfile, event: [UInt8]? = nil,
        asking changes: @escaping (WebhookEvent) -> [WebhookChange]
    ) {
        self.changes = changes
        content = event ?? delivery.body
        self.delivery = delivery
        self.profile = profile
        message = if case .googlePubSub(_) = profile.scheme { PubSubMessage(delivery.body) } else { nil }
    }

    /// What no other event has. Of one that has no name it is the hash of the body: the same bytes are the same event. So it is
    /// where the name is in a header that nothing vouches for: whoever has seen a request could send it again under another, and as
    /// another type. Of the type only that counts which the same bytes ask to read as it: there are no more of that than rules.
    var eventID: String {
        let names = profile.eventID.compactMap { text($0) }
        guard isVouched else {
            let asked = changes(WebhookEvent(type: eventType ?? "", body: content))
            return hash(Array(asked.map(Self.name).joined(separator: "\n").utf8) + [0] + content)
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

    /// Whether the account is proved, as the body is.
    var isAccountProved: Bool { profile.account.map(isVouched) ?? true }

    private var isVouched: Bool { profile.eventID.allSatisfy(isVouched) }

    private func isVouched(_ value: WebhookProfile.Value) -> Bool {
        if case .header(let name) = value { profile.scheme.vouches(forHeader: name) } else { true }
    }

    /// A text for each change, one of its own.
    private static func name(_ change: WebhookChange) -> String {
        switch change {
        case .object(let stream, let partition, let id): "object \(stream) \(partition) \(id)"
        case .stream(let stream, let partition): "stream \(stream) \(partition ?? "")"
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
