// SPDX-License-Identifier: Apache-2.0

/// The objects of all users, and every change that was made to them.
struct ObjectStore: Sendable {
    /// What an edit does to one collection. Deletions come first and hit what was there before; additions
    /// come last.
    struct Edit: Sendable, Equatable {
        var creates = 0
        var updates = 0
        var deletes = 0
    }

    /// Changes that are remembered, at some 24 bytes each; after that, edits are refused.
    static let changeLimit = 20_000_000

    let configuration: SandboxConfiguration
    private var collections: [CollectionKey: Collection] = [:]
    /// Where each change stands: its collection, and its place in the journal there.
    private var places: [(collection: Int32, position: Int32)] = []
    private var numbers: [CollectionKey: Int32] = [:]
    private var keys: [CollectionKey] = []
    /// The changes of one user's objects of one service, by number, for feeds.
    private var feeds: [Feed: [Int]] = [:]

    private struct Feed: Hashable {
        let user: Int
        let service: SandboxService
    }

    init(_ configuration: SandboxConfiguration) {
        self.configuration = configuration
    }

    /// The number of the newest change.
    var sequence: Int { places.count }

    /// The sandbox's time, in seconds since 1970.
    var now: Int64 { configuration.clock.time(ofChange: sequence) }

    subscript(_ key: CollectionKey) -> Collection {
        collections[key] ?? fresh(key)
    }

    private func fresh(_ key: CollectionKey) -> Collection {
        Collection(
            key, initialCount: configuration.initialCount(of: key), clock: configuration.clock,
            hasSeries: configuration.hasSeries)
    }

    /// The collections of a user's stream at a moment; without those of deleted calendars and channels.
    func collections(user: Int, stream: SandboxStream, at moment: Int? = nil) -> [Collection] {
        func past(_ key: CollectionKey) -> Collection { moment.map { self[key].asOf($0) } ?? self[key] }
        guard let parent = stream.parent else { return [past(CollectionKey(user: user, stream: stream))] }
        let parents = past(CollectionKey(user: user, stream: parent))
        return (0..<parents.count).filter(parents.isLive).map {
            past(CollectionKey(user: user, stream: stream, parent: $0))
        }
    }

    /// Changes after a number, oldest first.
    func changes(after sequence: Int, limit: Int) -> [(key: CollectionKey, change: ObjectChange)] {
        guard sequence < places.count else { return [] }
        return places[max(0, sequence)...].prefix(max(0, limit)).compactMap { place in
            let key = keys[Int(place.collection)]
            return collections[key].map { (key, $0.journal[Int(place.position)]) }
        }
    }

    /// The numbers of the changes of a user's objects of a service, oldest first.
    func feed(user: Int, service: SandboxService) -> [Int] { feeds[Feed(user: user, service: service)] ?? [] }

    /// A change by its number.
    func change(_ number: Int) -> (key: CollectionKey, change: ObjectChange)? {
        changes(after: number - 1, limit: 1).first
    }

    /// Adds an object with a content of its own; its number, or nil when no more changes are remembered.
    mutating func create(_ key: CollectionKey, _ object: WrittenObject) -> Int? {
        guard sequence < Self.changeLimit else { return nil }
        let index = self[key].count
        change(key, index, .created, object)
        return index
    }

    /// Sets members of one object; false when it is deleted, or no more changes are remembered.
    mutating func update(_ key: CollectionKey, _ index: Int, _ members: [String: String]) -> Bool {
        guard self[key].isLive(index), sequence < Self.changeLimit else { return false }
        change(key, index, .updated)
        let number = sequence
        collections[key]?.write(index, members, at: number)
        return true
    }

    /// Changes objects that the seed and the collection's own past pick; each at most once. Returns how many.
    @discardableResult
    mutating func edit(_ key: CollectionKey, _ edit: Edit) -> Int {
        let before = sequence
        let past = self[key]
        let turn = past.key.hash(seed: configuration.seed) ^ UInt64(past.journal.count)
        var random = SplitMix64(state: SplitMix64.mix(turn))
        let kind: ObjectChange.Kind = key.stream.hasDeletions ? .deleted : .updated
        for index in Self.pick(edit.deletes, of: self[key], &random) { change(key, index, kind) }
        for index in Self.pick(edit.updates, of: self[key], &random) { change(key, index, .updated) }
        for _ in 0..<max(0, edit.creates) { change(key, self[key].count, .created) }
        return sequence - before
    }

    /// Changes one object; false when it is deleted already.
    mutating func edit(_ key: CollectionKey, object index: Int, _ kind: ObjectChange.Kind) -> Bool {
        guard self[key].isLive(index) else { return false }
        change(key, index, kind == .deleted && !key.stream.hasDeletions ? .updated : kind)
        return true
    }

    /// One random change somewhere: in what is edited without being named, of one user and service or of all.
    mutating func editSomewhere(seed: UInt64 = 0, user wanted: Int? = nil, service: SandboxService? = nil) {
        let turn = SplitMix64.mix(configuration.seed) ^ SplitMix64.mix(seed) ^ UInt64(sequence)
        var random = SplitMix64(state: turn)
        let streams = SandboxStream.edited.filter { service == nil || $0.service == service }
        guard !streams.isEmpty else { return }
        let stream = streams[random.below(streams.count)]
        let user = wanted ?? random.below(configuration.userCount) + 1
        let candidates = collections(user: user, stream: stream).map(\.key)
        guard !candidates.isEmpty else { return }
        let key = candidates[random.below(candidates.count)]
        let count =
            switch random.below(4) {
            case 0: edit(key, Edit(creates: 1))
            case 1: edit(key, Edit(deletes: 1))
            default: edit(key, Edit(updates: 1))
            }
        // Where nothing is left to change, something is made: else the next call would pick the same again.
        if count == 0 { edit(key, Edit(creates: 1)) }
    }

    private mutating func change(
        _ key: CollectionKey, _ index: Int, _ kind: ObjectChange.Kind, _ content: WrittenObject? = nil
    ) {
        guard sequence < Self.changeLimit else { return }
        if numbers[key] == nil {
            numbers[key] = Int32(keys.count)
            keys.append(key)
            collections[key] = fresh(key)
        }
        guard let number = numbers[key] else { return }
        let change = ObjectChange(sequence: sequence + 1, index: Int32(index), kind: kind)
        if let content { collections[key]?.writeNext(content) }
        collections[key]?.apply(change)
        feeds[Feed(user: key.user, service: key.stream.service), default: []].append(change.sequence)
        places.append((number, Int32((collections[key]?.journal.count ?? 1) - 1)))
    }

    /// Different live objects. A stride that shares no factor with the count visits each number once, without
    /// a memory.
    private static func pick(_ wanted: Int, of collection: Collection, _ random: inout SplitMix64) -> [Int] {
        let count = collection.count
        let target = min(wanted, collection.liveCount)
        guard target > 0 else { return [] }
        var stride = random.below(count) + 1
        while greatestCommonDivisor(stride, count) != 1 { stride = stride % count + 1 }
        var index = random.below(count)
        var picked: [Int] = []
        while picked.count < target {
            if collection.isLive(index) { picked.append(index) }
            index = (index + stride) % count
        }
        return picked
    }

    private static func greatestCommonDivisor(_ first: Int, _ second: Int) -> Int {
        var (first, second) = (first, second)
        while second != 0 { (first, second) = (second, first % second) }
        return first
    }
}
