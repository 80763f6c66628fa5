// SPDX-License-Identifier: Apache-2.0

public import ConnectorKit
import Model

/// What accepted notifications of one integration ask to read: each object and each stream once, however many asked.
public struct ChangeSet: Sendable, Equatable {
    /// The ids of objects to fetch, in the order in which they were named, by stream and parent's external id.
    private(set) var objects: [String: [ExactText: [String]]] = [:]
    /// The parents' ids of slices whose changes are read, by stream.
    private(set) var slices: [String: Set<ExactText>] = [:]
    /// Streams whose changes are read.
    private(set) var streams: Set<String> = []

    /// All of these together.
    public init(_ changes: some Sequence<WebhookChange>) {
        var seen: Set<WebhookChange> = []
        for change in changes where seen.insert(change).inserted { add(change) }
    }

    /// Whether there is nothing to read.
    public var isEmpty: Bool { objects.isEmpty && slices.isEmpty && streams.isEmpty }

    func concerns(_ stream: String) -> Bool {
        streams.contains(stream) || objects[stream] != nil || slices[stream] != nil
    }

    /// The parents' ids of a child stream that something is asked of.
    func partitions(of stream: String) -> [String] {
        (slices[stream] ?? []).union((objects[stream] ?? [:]).keys).map(\.description).sorted()
    }

    mutating func add(_ change: WebhookChange) {
        switch change {
        case .object(let stream, let partition, let id):
            objects[stream, default: [:]][ExactText(partition), default: []].append(id)
        case .stream(let stream, nil): streams.insert(stream)
        case .stream(let stream, let partition?): slices[stream, default: []].insert(ExactText(partition))
        }
    }
}

extension ExactText {
    /// The partition of a stream that has no parent.
    static let whole = ExactText("")
}
