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

/// An object that a client made with a request, instead of the seed.
struct WrittenObject: Sendable, Equatable {
    /// Members of its JSON, each as raw JSON text.
    var members: [String: String] = [:]
    /// The message of whose thread it is part.
    var root: Int?
    /// Members that later requests set, by the number of the change.
    var changes: [Int: [String: String]] = [:]

    /// A member as it was after a change.
    func member(_ name: String, asOf sequence: Int) -> String? {
        let latest = changes.filter { $0.key <= sequence && $0.value[name] != nil }.max { $0.key < $1.key }
        return latest?.value[name] ?? members[name]
    }
}

/// The objects of one list, by number, oldest first.
///
/// Only what was changed is stored: an untouched collection of any size costs nothing. The journal leads to
/// every past moment.
struct Collection: Sendable {
    /// The time of change number 0.
    static let epoch: Int64 = 1_760_000_000

    let key: CollectionKey
    let initialCount: Int
    let clock: SandboxClock
    /// Whether some events are series, and some differ from theirs.
    let hasSeries: Bool
    private(set) var journal: [ObjectChange] = []
    private(set) var liveCount: Int
    /// The changes that made the objects beyond the initial ones.
    private var creations: [Int] = []
    private var touched: [Int32: ObjectState] = [:]
    private(set) var written: [Int: WrittenObject] = [:]

    init(
        _ key: CollectionKey, initialCount: Int, clock: SandboxClock = SandboxClock(), hasSeries: Bool = true
    ) {
        self.hasSeries = hasSeries
        self.clock = clock
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

    /// Seconds since 1970; never falls with the number.
    func created(_ index: Int) -> Int64 {
        index < initialCount
            ? clock.time(ofObject: index, of: initialCount)
            : clock.time(ofChange: creations[index - initialCount])
    }

    func updated(_ index: Int) -> Int64 {
        let change = state(index).changedAt
        return change == 0 ? created(index) : clock.time(ofChange: change)
    }

    /// The object as it was after change number `sequence`.
    func state(_ index: Int, asOf sequence: Int) -> ObjectState {
        guard state(index).changedAt > sequence else { return state(index) }
        var state = ObjectState(changedAt: index < initialCount ? 0 : creations[index - initialCount])
        for change in journal.prefix(position(after: sequence)) where Int(change.index) == index {
            Self.apply(change, to: &state)
        }
        return state
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
        var past = Collection(key, initialCount: initialCount, clock: clock, hasSeries: hasSeries)
        past.written = written
        for change in journal.prefix(position(after: sequence)) { past.apply(change) }
        return past
    }

    mutating func apply(_ change: ObjectChange) {
        journal.append(change)
        guard change.kind != .created else {
            creations.append(change.sequence)
            liveCount += 1
            return
        }
        var state = state(Int(change.index))
        Self.apply(change, to: &state)
        touched[change.index] = state
        if change.kind == .deleted { liveCount -= 1 }
    }

    /// Gives the object that `apply` makes next its content.
    mutating func writeNext(_ object: WrittenObject) { written[count] = object }

    /// Sets members of an object that the change with this number changes.
    mutating func write(_ index: Int, _ members: [String: String], at sequence: Int) {
        written[index, default: WrittenObject()].changes[sequence] = members
    }

    private static func apply(_ change: ObjectChange, to state: inout ObjectState) {
        switch change.kind {
        case .created: break
        case .updated: state.revision += 1
        case .deleted: state.isDeleted = true
        }
        state.changedAt = change.sequence
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
