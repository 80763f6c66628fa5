// SPDX-License-Identifier: Apache-2.0

public import ConnectorKit

/// What accepted notifications of one integration ask to read: each object and each stream once, however many asked.
public struct ChangeSet: Sendable, Equatable {
    /// The ids of objects to fetch, in the order in which they were named, by stream and parent's external id.
    private(set) var objects: [String: [String: [String]]] = [:]
    /// The parents' ids of slices whose changes are read, by stream.
    private(set) var slices: [String: [String]] = [:]
    /// Streams whose changes are read.
    private(set) var streams: Set<String> = []

    /// All of these together.
    public init(_ changes: some Sequence<WebhookChange>) {
        var seen: Set<WebhookKey> = []
        for change in changes where seen.insert(WebhookKey(change)).inserted { add(change) }
    }

    /// Whether there is nothing to read.
    public var isEmpty: Bool { objects.isEmpty && slices.isEmpty && streams.isEmpty }

    func concerns(_ stream: String) -> Bool {
        streams.contains(stream) || objects[stream] != nil || slices[stream] != nil
    }

    /// The parents' ids of a child stream that something is asked of.
    func partitions(of stream: String) -> [String] {
        let all = (slices[stream] ?? []) + (objects[stream] ?? [:]).keys
        return Set(all.map { Array($0.utf8) }).map { String(decoding: $0, as: UTF8.self) }.sorted()
    }

    mutating func add(_ change: WebhookChange) {
        switch change {
        case .object(let stream, let partition, let id):
            objects[stream, default: [:]][partition, default: []].append(id)
        case .stream(let stream, nil): streams.insert(stream)
        case .stream(let stream, let partition?): slices[stream, default: []].append(partition)
        }
    }
}

/// Ids are told apart by their bytes: of two that only look alike each is asked for.
private struct WebhookKey: Hashable {
    private let parts: [[UInt8]?]

    init(_ change: WebhookChange) {
        parts =
            switch change {
            case .object(let stream, let partition, let id):
                [[1], Array(stream.utf8), Array(partition.utf8), Array(id.utf8)]
            case .stream(let stream, let partition):
                [[2], Array(stream.utf8), partition.map { Array($0.utf8) }]
            }
    }
}
