// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import Model
import PageScanner
import Webhooks

/// What a manifest says of notifications.
struct WebhookManifest: Sendable {
    let profile: WebhookProfile
    let rules: [WebhookRule]
    let watches: [WatchRule]

    /// What an event asks to read, each thing once.
    func changes(in event: WebhookEvent) -> [WebhookChange] {
        guard let content = content(of: event) else { return [] }
        var changes: [WebhookChange] = []
        for rule in rules where rule.concerns(event.type) {
            for change in rule.changes(in: content) where !changes.contains(change) { changes.append(change) }
        }
        return changes
    }

    private func content(of event: WebhookEvent) -> [UInt8]? {
        guard case .googlePubSub = profile.scheme else { return event.body }
        return PubSubMessage(event.body)?.data
    }
}

/// How a provider is asked to notify of a stream.
struct WatchRule: Sendable {
    let stream: String
    let request: RequestShape
    /// Where the answer has the provider's own name of the watched thing; nil where it has none.
    let resource: JSONPointer?
    /// Where the answer says when the watch ends.
    let expires: ScalarRule
    let renewBefore: Duration
    /// How the provider is asked to end a watch; nil when it cannot be.
    let stop: RequestShape?

    /// The members of the integration's configuration that it needs.
    var configNames: [String] {
        request.templates.flatMap(\.places).filter { $0.namespace == .config }.map(\.name)
    }
}

/// What events of some types ask to read.
struct WebhookRule: Sendable {
    /// Names of types; one that ends with `*` stands for all that begin with the rest of it. Empty: all events.
    let types: [String]
    let stream: String
    /// Where the object's id is: at the first of these places that has a value. A place with several pointers names an object
    /// by each. Empty: what changed in the stream is read.
    let objects: [[JSONPointer]]
    /// Where the id of the parent's record is, for a child stream: at the first of these places that has a value.
    let parents: [JSONPointer]
    /// Where the id of the parent's own parent is, when that is of a child stream.
    let grandparent: JSONPointer?
    /// An object that is named as its own parent is none of the stream: its lists leave the parent out.
    let skipsParent: Bool

    func concerns(_ type: String) -> Bool {
        types.isEmpty
            || types.contains { name in
                name.hasSuffix("*")
                    ? type.utf8.starts(with: name.utf8.dropLast()) : type.utf8.elementsEqual(name.utf8)
            }
    }

    /// None when the event lacks what the rule needs.
    func changes(in content: [UInt8]) -> [WebhookChange] {
        let parent = first(of: parents, content)
        if parent == nil, !parents.isEmpty { return [] }
        var partition = parent
        if let grandparent, let parent {
            guard let outer = text(grandparent, content) else { return [] }
            partition = "\(outer)/\(parent)"
        }
        if objects.isEmpty { return [.stream(stream, partition: partition)] }
        let ids = objects.lazy.map { texts($0, content) }.first { !$0.isEmpty } ?? []
        return ids.compactMap { id in
            if skipsParent, let parent, parent.utf8.elementsEqual(id.utf8) { return nil }
            return .object(stream: stream, partition: partition ?? "", id: id)
        }
    }

    private func first(of places: [JSONPointer], _ content: [UInt8]) -> String? {
        places.lazy.compactMap { text($0, content) }.first
    }

    private func text(_ pointer: JSONPointer, _ content: [UInt8]) -> String? {
        texts([pointer], content).first
    }

    private func texts(_ pointers: [JSONPointer], _ content: [UInt8]) -> [String] {
        JSONValueReader.scalars(at: pointers, in: content).compactMap { value in
            guard let text = value?.text, !text.isEmpty, text.utf8.count <= ScanPlan.longestIdentifier,
                !text.utf8.contains(where: { $0 < 0x20 })
            else { return nil }
            return text
        }
    }
}
