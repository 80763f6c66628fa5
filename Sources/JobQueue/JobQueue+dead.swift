// SPDX-License-Identifier: Apache-2.0

public import Model
import RedisClient

/// A part of the dead letters, newest first.
public struct DeadLetterPage: Sendable {
    /// How many there are in all.
    public var total = 0
    /// The page, the newest first.
    public var letters: [DeadLetter] = []
    /// Elements of the part that are not dead letters; somebody else wrote them.
    public var foreign = 0
}

extension JobQueue {
    /// How many letters a search by id looks through.
    private static let searchLimit = 10_000

    /// Up to 100 dead letters from `offset` on, newest first.
    public func deadLetters(offset: Int = 0, limit: Int = 20) async throws(QueueError) -> DeadLetterPage {
        let last = offset + min(max(limit, 1), Self.batchLimit) - 1
        let total = try await command(["LLEN", RedisArgument(keys.dead)]).int ?? 0
        let elements =
            try await command([
                "LRANGE", RedisArgument(keys.dead), RedisArgument(offset), RedisArgument(last),
            ]).array ?? []
        let letters = elements.map { $0.bytes.flatMap(DeadLetter.init) }
        return DeadLetterPage(
            total: Int(total), letters: letters.compactMap { $0 }, foreign: letters.count { $0 == nil })
    }

    /// The newest letter of a job, among the newest 10,000 letters.
    public func deadLetter(id: String) async throws(QueueError) -> DeadLetter? {
        for offset in stride(from: 0, to: Self.searchLimit, by: Self.batchLimit) {
            let page = try await deadLetters(offset: offset, limit: Self.batchLimit)
            if let letter = page.letters.first(where: { $0.id.utf8.elementsEqual(id.utf8) }) { return letter }
            if offset + Self.batchLimit >= page.total { break }
        }
        return nil
    }

    /// The end of the list from which a letter is looked for: the nearer it is, the less Redis has to compare.
    public enum End: Sendable {
        case newest
        case oldest

        fileprivate var argument: RedisArgument { self == .newest ? "1" : "-1" }
    }

    /// Makes the letter's payload ready again, as a new job of its queue or of another one. False when the
    /// letter is gone. Throws `full` when Redis is full.
    public func replay(
        _ letter: DeadLetter, in queue: Queue? = nil, from end: End = .newest
    ) async throws(QueueError) -> Bool {
        let target = queue ?? letter.queue
        return try await eval(
            .replay,
            [
                RedisArgument(letter.element), RedisArgument(target.rawValue), RedisArgument(letter.payload),
                end.argument,
            ]
        ).int == 1
    }

    /// Deletes one dead letter. False when it is gone already.
    public func purge(_ letter: DeadLetter, from end: End = .newest) async throws(QueueError) -> Bool {
        try await command([
            "LREM", RedisArgument(keys.dead), end.argument, RedisArgument(letter.element),
        ]).int == 1
    }

    /// Deletes the dead letters that exist now, oldest first, and returns how many there were.
    public func purgeDeadLetters() async throws(QueueError) -> Int {
        let total = Int(try await command(["LLEN", RedisArgument(keys.dead)]).int ?? 0)
        var purged = 0
        while purged < total {
            let count = min(Self.batchLimit, total - purged)
            let popped =
                try await command(["RPOP", RedisArgument(keys.dead), RedisArgument(count)]).array ?? []
            guard !popped.isEmpty else { break }
            purged += popped.count
        }
        return purged
    }
}
