// SPDX-License-Identifier: Apache-2.0

/// One version of an object: all that its bytes are made of, besides its place.
struct ObjectState: Equatable, Sendable {
    /// How often it was changed.
    var revision = 0
    var isDeleted = false
    /// The number of the change that made it what it is; 0 for the initial one.
    var changedAt = 0
}

/// A change of one object.
struct ObjectChange: Sendable, Equatable {
    enum Kind: UInt8, Sendable {
        case created
        case updated
        case deleted

        var name: String {
            switch self {
            case .created: "created"
            case .updated: "updated"
            case .deleted: "deleted"
            }
        }
    }

    /// Counts all changes of the sandbox, from 1.
    let sequence: Int
    let index: Int32
    let kind: Kind
}

/// The objects of one list, by number, oldest first.
///
/// Only what was changed is stored: an untouched collection of any size costs nothing. The journal leads to
/// every past moment.
struct Collection: Sendable {
    /// The time of change number 0. Time moves one second with each change, so that runs are reproducible.
    static let epoch: Int64 = 1_760_000_000

    let key: CollectionKey
    let initialCount: Int
    private(set) var journal: [ObjectChange] = []
    private(set) var liveCount: Int
    /// The changes that made the objects beyond the initial ones.
    private var creations: [Int] = []
    private var touched: [Int32: ObjectState] = [:]

    init(_ key: CollectionKey, initialCount: Int) {
        self.key = key
        self.initialCount = initialCount
        liveCount = initialCount
    }

    var count: Int { initialCount + creations.count }

    func state(_ index: Int) -> ObjectState {
        if let state = touched[Int32(index)] { return state }
        return ObjectState(changedAt: index < initialCount ? 0 : creations[index - initialCount])
    }

    func isLive(_ index: Int) -> Bool { touched[Int32(index)]?.isDeleted != true }

    /// Seconds since 1970; never falls with the number. Three initial objects at a time share a second, as
    /// happens in life.
    func created(_ index: Int) -> Int64 {
        index < initialCount
            ? Self.epoch - Int64((initialCount - index + 2) / 3) * 61
            : Self.epoch + Int64(creations[index - initialCount])
    }

    func updated(_ index: Int) -> Int64 {
        let change = state(index).changedAt
        return change == 0 ? created(index) : Self.epoch + Int64(change)
    }

    /// The number of the first object that was created at `time` or later.
    func firstIndex(createdAtOrAfter time: Int64) -> Int {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if created(middle) < time { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// The changes after `low`, up to `high`: the last one of each object, in their order.
    func changes(after low: Int, upTo high: Int) -> [ObjectChange] {
        let begin = position(after: low)
        let end = position(after: high)
        guard begin < end else { return [] }
        var seen: Set<Int32> = []
        let newestFirst = journal[begin..<end].reversed().filter { seen.insert($0.index).inserted }
        return newestFirst.reversed()
    }

    /// The collection as it was after change number `sequence`.
    func asOf(_ sequence: Int) -> Collection {
        if journal.last.map({ $0.sequence <= sequence }) ?? true { return self }
        var past = Collection(key, initialCount: initialCount)
        for change in journal.prefix(position(after: sequence)) { past.apply(change) }
        return past
    }

    mutating func apply(_ change: ObjectChange) {
        journal.append(change)
        switch change.kind {
        case .created:
            creations.append(change.sequence)
            liveCount += 1
            return
        case .updated:
            var state = state(Int(change.index))
            state.revision += 1
            state.changedAt = change.sequence
            touched[change.index] = state
        case .deleted:
            var state = state(Int(change.index))
            state.isDeleted = true
            state.changedAt = change.sequence
            touched[change.index] = state
            liveCount -= 1
        }
    }

    /// The place in the journal of the first change after `sequence`.
    private func position(after sequence: Int) -> Int {
        var (low, high) = (0, journal.count)
        while low < high {
            let middle = (low + high) / 2
            if journal[middle].sequence <= sequence { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
