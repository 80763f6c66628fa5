// SPDX-License-Identifier: Apache-2.0

/// A stream of one user. Events belong to a calendar, the others to nothing.
struct CollectionKey: Hashable, Sendable {
    let user: Int
    let stream: SandboxStream
    /// The calendar's number for events, else 0.
    let parent: Int
}

/// What the sandbox has lists of.
enum SandboxStream: String, Sendable, CaseIterable {
    case customers
    case products
    case invoices
    case calendars
    case events

    var service: String {
        switch self {
        case .customers, .products, .invoices: "stripe"
        case .calendars, .events: "google-calendar"
        }
    }
}

/// One object: all that its bytes are made of, besides its place.
struct ObjectState: Equatable, Sendable {
    var revision: Int32 = 0
    var isDeleted = false
    /// The number of the change that made it what it is; 0 for the initial one.
    var changedAt: Int64 = 0
    let created: Int64
    var updated: Int64
}

/// The objects of all users, and every change that was made to them.
///
/// Time is logical: it begins at a fixed instant and moves one second with each change, so that runs are reproducible.
struct ObjectStore: Sendable {
    /// An edit, with what it replaced: going through them backwards gives the objects at any moment.
    struct Change: Sendable {
        let sequence: Int64
        let collection: CollectionKey
        let index: Int
        /// Nil when the change created the object.
        let before: ObjectState?
    }

    static let epoch: Int64 = 1_760_000_000
    static let calendarsPerUser = 2

    let configuration: SandboxConfiguration
    private var collections: [CollectionKey: [ObjectState]] = [:]
    private(set) var changes: [Change] = []
    private var random: SplitMix64

    init(_ configuration: SandboxConfiguration) {
        self.configuration = configuration
        random = SplitMix64(state: configuration.seed)
    }

    /// The number of the newest change.
    var sequence: Int64 { Int64(changes.count) }

    /// Objects by their number, oldest first. A collection is made when it is first looked at.
    mutating func objects(_ key: CollectionKey) -> [ObjectState] {
        if let known = collections[key] { return known }
        let count = key.stream == .calendars ? Self.calendarsPerUser : configuration.objects
        let made = (0..<count).map { index in
            let created = Self.epoch - Int64(count - index) * 60
            return ObjectState(created: created, updated: created)
        }
        collections[key] = made
        return made
    }

    /// The objects as they were after change number `sequence`.
    mutating func objects(_ key: CollectionKey, at sequence: Int64) -> [ObjectState] {
        var states = objects(key)
        for change in changes.reversed() {
            if change.sequence <= sequence { break }
            guard change.collection == key else { continue }
            if let before = change.before { states[change.index] = before } else { states.removeLast() }
        }
        return states
    }

    /// All collections of a user's stream.
    func keys(user: Int, stream: SandboxStream) -> [CollectionKey] {
        let parents = stream == .events ? Self.calendarsPerUser : 1
        return (0..<parents).map { CollectionKey(user: user, stream: stream, parent: $0) }
    }

    /// Makes random changes to a collection: new objects, changed ones, deleted ones.
    mutating func edit(_ key: CollectionKey, creates: Int, updates: Int, deletes: Int) {
        for _ in 0..<creates { create(key) }
        for _ in 0..<updates {
            guard let index = pickLive(key) else { break }
            change(key, index) { $0.revision += 1 }
        }
        for _ in 0..<deletes {
            guard let index = pickLive(key) else { break }
            change(key, index) { $0.isDeleted = true }
        }
    }

    /// One random change somewhere.
    mutating func editSomewhere() {
        let streams: [SandboxStream] = [.customers, .products, .invoices, .events]
        let stream = streams[Int(random.next() % UInt64(streams.count))]
        let user = Int(random.next() % UInt64(max(1, configuration.users))) + 1
        let keys = keys(user: user, stream: stream)
        let key = keys[Int(random.next() % UInt64(keys.count))]
        switch random.next() % 4 {
        case 0: edit(key, creates: 1, updates: 0, deletes: 0)
        case 1: edit(key, creates: 0, updates: 0, deletes: 1)
        default: edit(key, creates: 0, updates: 1, deletes: 0)
        }
    }

    private mutating func create(_ key: CollectionKey) {
        var states = objects(key)
        let number = sequence + 1
        let now = Self.epoch + number
        changes.append(Change(sequence: number, collection: key, index: states.count, before: nil))
        states.append(ObjectState(changedAt: number, created: now, updated: now))
        collections[key] = states
    }

    private mutating func change(_ key: CollectionKey, _ index: Int, _ body: (inout ObjectState) -> Void) {
        let number = sequence + 1
        guard var state = collections[key]?[index] else { return }
        changes.append(Change(sequence: number, collection: key, index: index, before: state))
        body(&state)
        state.changedAt = number
        state.updated = Self.epoch + number
        collections[key]?[index] = state
    }

    /// A random object that is not deleted; nil when a number of tries finds none.
    private mutating func pickLive(_ key: CollectionKey) -> Int? {
        let states = objects(key)
        guard !states.isEmpty else { return nil }
        for _ in 0..<64 {
            let index = Int(random.next() % UInt64(states.count))
            if !states[index].isDeleted { return index }
        }
        return states.firstIndex { !$0.isDeleted }
    }
}

/// A small generator with a seed (Steele, Lea and Flood, "Fast splittable pseudorandom number generators").
struct SplitMix64: RandomNumberGenerator, Sendable {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }
}
