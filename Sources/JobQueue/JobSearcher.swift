// SPDX-License-Identifier: Apache-2.0

import Model
import RedisClient

/// Where a search found a job; a parked one comes with what it waits for.
struct FoundPlace {
    let place: JobSighting.Place
    var wait = ""
}

/// Looks for jobs in every place of the queue, in a bounded number of round trips.
struct JobSearcher {
    let queue: JobQueue
    let search: JobSearch
    /// The jobs with their places.
    var found: [(job: FoundJob, place: FoundPlace)] = []
    var letters: [DeadLetter] = []
    var partial: [QueueExplanation.Partial] = []

    /// At most so many jobs are explained.
    static let maximum = 20
    /// How many elements a round trip reads, and how many round trips go to each end of a list.
    static let page = 100
    static let pages = 50
    /// How many members a scan looks at in one step, and how many steps it takes.
    static let scanned = 1_000
    static let scans = 500
    /// How many dead letters are looked through for those of an integration.
    static let lettersLooked = 1_000

    init(queue: JobQueue, search: JobSearch) {
        self.queue = queue
        self.search = search
    }

    private var keys: QueueKeys { queue.keys }
    /// A job has one place; an integration may have several jobs.
    private var isDone: Bool {
        if case .id = search { return !found.isEmpty }
        return found.count >= Self.maximum
    }

    mutating func run() async throws(QueueError) {
        try await lookInFlight()
        if !isDone { try await lookInParking() }
        if !isDone { try await scan(keys.delayed, named: "the delayed jobs") }
        for queue in Queue.allCases where !isDone { try await lookInLanes(queue) }
        for queue in Queue.allCases where !isDone {
            try await lookInList(keys.inbox(queue), of: queue, "the inbox of \(queue.rawValue)") {
                .inbox(before: $0, of: $1)
            }
            try await lookInList(keys.ready(queue), of: queue, "the unsorted jobs of \(queue.rawValue)") {
                .list(before: $0, of: $1)
            }
        }
        try await lookInDeadLetters()
    }

    private mutating func note(_ job: FoundJob, _ place: JobSighting.Place, wait: String = "") {
        if !isDone { found.append((job, FoundPlace(place: place, wait: wait))) }
    }

    // MARK: - In flight

    private mutating func lookInFlight() async throws(QueueError) {
        var ids: [String] = []
        switch search {
        case .id(let id): ids = [id]
        case .integration:
            let holders = try await queue.command(
                ["HMGET", RedisArgument(keys.running)] + search.lockKeys.map { RedisArgument($0) })
            ids = (holders.array ?? []).compactMap { $0.text?.trimmedID }
        }
        for id in Set(ids) {
            guard
                let bytes = try await queue.command(["HGET", RedisArgument(keys.jobs), RedisArgument(id)])
                    .bytes
            else { continue }
            let deadline = try await queue.command(["ZSCORE", RedisArgument(keys.leases), RedisArgument(id)])
                .int
            let job = FoundJob(bytes)
            note(
                job,
                .inFlight(
                    leaseEnds: deadline.map { Timestamp(milliseconds: $0) },
                    claimant: String((job.envelope?.token ?? "").prefix(7)),
                    isRunning: job.envelope?.state == "r"))
        }
    }

    // MARK: - Parked

    private mutating func lookInParking() async throws(QueueError) {
        guard case .integration(let id, let key) = search else {
            try await scanParking()
            return
        }
        let scopes =
            ["user:\(key.userID)", "service:\(key.service)"] + Queue.allCases.map { "queue:\($0.rawValue)" }
        let pauses = ["user:\(key.userID)", "service:\(key.service)", "integration:\(id)"]
        let waits = search.lockKeys + pauses.map { "pause:\($0)" } + scopes.map { "cap:\($0)" }
        for wait in waits where !isDone {
            try await page(
                keys.parkedOrder, from: "\(wait)\u{1E}", to: "\(wait)\u{1F}", "the jobs parked for \(wait)"
            ) { searcher, members throws(QueueError) in
                let envelopes = try await searcher.queue.command(
                    ["HMGET", RedisArgument(searcher.keys.parkedJobs)] + members.map { RedisArgument($0) })
                for bytes in envelopes.array?.compactMap(\.bytes) ?? [] {
                    let job = FoundJob(bytes)
                    if searcher.search.matches(job) { searcher.note(job, .parked, wait: wait) }
                }
            }
        }
    }

    /// An id does not tell what its job waits for.
    private mutating func scanParking() async throws(QueueError) {
        var (cursor, looked) = ("0", 0)
        for _ in 0..<Self.pages {
            let reply = try await queue.command([
                "HSCAN", RedisArgument(keys.parkedJobs), RedisArgument(cursor), "COUNT",
                RedisArgument(Self.page),
            ])
            guard let fields = reply.array, fields.count == 2, let next = fields[0].text,
                let flat = fields[1].array
            else { throw .unexpected("HSCAN") }
            for position in stride(from: 0, to: flat.count - 1, by: 2) {
                looked += 1
                guard let bytes = flat[position + 1].bytes else { continue }
                let job = FoundJob(bytes)
                let wait = (flat[position].text ?? "").prefix { $0 != "\u{1E}" }
                if search.matches(job) { note(job, .parked, wait: String(wait)) }
            }
            cursor = next
            if cursor == "0" || isDone { return }
        }
        let total = try await queue.command(["HLEN", RedisArgument(keys.parkedJobs)]).int ?? 0
        partial.append(.init(place: "the parked jobs", looked: looked, total: Int(total)))
    }

    // MARK: - Lanes

    private mutating func lookInLanes(_ ready: Queue) async throws(QueueError) {
        let lanes = keys.lanes(ready)
        guard case .integration(let id, let key) = search else {
            try await scan(lanes, named: "the lanes of \(ready.rawValue)", in: ready)
            return
        }
        for lane in [key.userID, "#\(id)"] where !isDone {
            try await page(
                lanes, from: "\(lane)\u{1E}", to: "\(lane)\u{1F}", "the lane of \(lane) in \(ready.rawValue)"
            ) { searcher, members throws(QueueError) in
                for member in members {
                    guard let envelope = Self.envelope(ofMember: member) else { continue }
                    let job = FoundJob(Array(envelope.bytes))
                    guard searcher.search.matches(job) else { continue }
                    try await searcher.noteSorted(job, member: member, lane: envelope.lane, in: ready)
                }
            }
        }
    }

    private mutating func noteSorted(
        _ job: FoundJob, member: [UInt8], lane: String, in ready: Queue
    ) async throws(QueueError) {
        let (lanes, turns) = (RedisArgument(keys.lanes(ready)), RedisArgument(keys.turns(ready)))
        let start = RedisArgument("[\(lane)\u{1E}")
        let before = try await queue.command(["ZLEXCOUNT", lanes, start, RedisArgument([0x28] + member)]).int
        let all = try await queue.command(["ZLEXCOUNT", lanes, start, RedisArgument("(\(lane)\u{1F}")]).int
        let rank = try await queue.command(["ZRANK", turns, RedisArgument(lane)]).int
        note(
            job,
            .lane(
                name: lane, position: Int(before ?? 0), of: Int(all ?? 0), lanesBefore: Int(rank ?? 0)))
    }

    /// Lane, then the separator, 16 bytes of position, 40 of the mark, and the envelope.
    private static func envelope(ofMember member: [UInt8]) -> (lane: String, bytes: ArraySlice<UInt8>)? {
        guard let end = member.firstIndex(of: 0x1E), end + 57 < member.count else { return nil }
        return (String(decoding: member[..<end], as: UTF8.self), member[(end + 57)...])
    }

    // MARK: - Pages and scans

    /// Goes through a lexical range of a sorted set.
    private mutating func page(
        _ key: String, from start: String, to end: String, _ name: String,
        _ body: (inout JobSearcher, [[UInt8]]) async throws(QueueError) -> Void
    ) async throws(QueueError) {
        var from = Array("[\(start)".utf8)
        var looked = 0
        for _ in 0..<Self.pages {
            let reply = try await queue.command([
                "ZRANGE", RedisArgument(key), RedisArgument(from), RedisArgument("(\(end)"), "BYLEX", "LIMIT",
                "0",
                RedisArgument(Self.page),
            ])
            let members = (reply.array ?? []).compactMap(\.bytes)
            guard let last = members.last else { return }
            looked += members.count
            try await body(&self, members)
            if members.count < Self.page || isDone { return }
            from = [UInt8(ascii: "(")] + last
        }
        let total = try await queue.command([
            "ZLEXCOUNT", RedisArgument(key), RedisArgument("[\(start)"), RedisArgument("(\(end)"),
        ]).int
        partial.append(.init(place: name, looked: looked, total: Int(total ?? 0)))
    }

    /// Goes through the delayed jobs, or the lanes of a queue, by pattern: what does not match stays in Redis.
    private mutating func scan(
        _ key: String, named name: String, in ready: Queue? = nil
    ) async throws(QueueError) {
        for pattern in search.patterns where !isDone {
            var cursor = "0"
            var steps = 0
            repeat {
                let reply = try await queue.command([
                    "ZSCAN", RedisArgument(key), RedisArgument(cursor), "MATCH", pattern, "COUNT",
                    RedisArgument(Self.scanned),
                ])
                guard let fields = reply.array, fields.count == 2, let next = fields[0].text,
                    let flat = fields[1].array
                else { throw .unexpected("ZSCAN") }
                for position in stride(from: 0, to: flat.count - 1, by: 2) {
                    guard let member = flat[position].bytes else { continue }
                    try await noteScanned(member, score: flat[position + 1].int, in: ready)
                }
                (cursor, steps) = (next, steps + 1)
            } while cursor != "0" && steps < Self.scans && !isDone
            if cursor != "0", !isDone {
                let total = Int(try await queue.command(["ZCARD", RedisArgument(key)]).int ?? 0)
                partial.append(.init(place: name, looked: min(steps * Self.scanned, total), total: total))
                return
            }
        }
    }

    private mutating func noteScanned(
        _ member: [UInt8], score: Int64?, in ready: Queue?
    ) async throws(QueueError) {
        if let ready {
            guard let envelope = Self.envelope(ofMember: member) else { return }
            let job = FoundJob(Array(envelope.bytes))
            if search.matches(job) {
                try await noteSorted(job, member: member, lane: envelope.lane, in: ready)
            }
            return
        }
        let job = FoundJob(member)
        if search.matches(job) { note(job, .delayed(until: Timestamp(milliseconds: score ?? 0))) }
    }

    // MARK: - Lists

    /// Looks through both ends of a list, the one from which jobs are taken first.
    private mutating func lookInList(
        _ key: String, of ready: Queue, _ name: String, _ place: (Int, Int) -> JobSighting.Place
    ) async throws(QueueError) {
        let total = Int(try await queue.command(["LLEN", RedisArgument(key)]).int ?? 0)
        let reach = Self.page * Self.pages
        for start in stride(from: 0, to: min(total, reach), by: Self.page) where !isDone {
            let elements = try await range(key, -start - Self.page, -start - 1)
            for (offset, bytes) in elements.reversed().enumerated() {
                let job = FoundJob(bytes, in: ready)
                if search.matches(job) { note(job, place(start + offset, total)) }
            }
        }
        // The other end, without what was seen.
        let rest = min(max(0, total - reach), reach)
        for start in stride(from: 0, to: rest, by: Self.page) where !isDone {
            let elements = try await range(key, start, min(start + Self.page, rest) - 1)
            for (offset, bytes) in elements.enumerated() {
                let job = FoundJob(bytes, in: ready)
                if search.matches(job) { note(job, place(total - 1 - start - offset, total)) }
            }
        }
        if total > 2 * reach, !isDone { partial.append(.init(place: name, looked: 2 * reach, total: total)) }
    }

    private func range(_ key: String, _ first: Int, _ last: Int) async throws(QueueError) -> [[UInt8]] {
        let reply = try await queue.command([
            "LRANGE", RedisArgument(key), RedisArgument(first), RedisArgument(last),
        ])
        return (reply.array ?? []).compactMap(\.bytes)
    }

    // MARK: - Dead letters

    private mutating func lookInDeadLetters() async throws(QueueError) {
        switch search {
        case .id(let id):
            if let letter = try await queue.deadLetter(id: id) { letters = [letter] }
        case .integration:
            for offset in stride(from: 0, to: Self.lettersLooked, by: Self.page) {
                let page = try await queue.deadLetters(offset: offset, limit: Self.page)
                let own = page.letters.filter { search.matches(FoundJob($0.payload)) }
                letters += own.prefix(3 - letters.count)
                if letters.count >= 3 || offset + Self.page >= page.total { return }
            }
            let total = try await queue.deadLetters(offset: 0, limit: 1).total
            if letters.isEmpty {
                partial.append(.init(place: "the dead letters", looked: Self.lettersLooked, total: total))
            }
        }
    }
}

extension String {
    /// An id without the padding of the hash of locks.
    fileprivate var trimmedID: String { String(prefix { $0 != " " }) }
}
