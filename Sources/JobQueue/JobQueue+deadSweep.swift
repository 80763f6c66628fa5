// SPDX-License-Identifier: Apache-2.0

import Model
import RedisClient

/// What a visit did with a dead letter.
public enum DeadLetterVisit: Sendable {
    /// It is where it was.
    case kept
    /// It is off the list, by this visit or by somebody else.
    case removed
    /// It is where it was, and no further one is wanted.
    case stop
}

extension JobQueue {
    /// Visits each dead letter that is meant and is older than this call, the oldest first, in pages of 100.
    ///
    /// New letters come in at the other end and are left out, also those of jobs that a visit made ready and that died again.
    /// When somebody else takes letters away meanwhile the pages have moved; then it begins again, so that none is
    /// passed over. `restart` is told, for what a visit has counted; letters that were kept are visited again then.
    public func eachDeadLetter(
        matching filter: DeadLetterFilter, restart: () -> Void = {},
        _ visit: (DeadLetter, DeadLetterSubject) async throws -> DeadLetterVisit
    ) async throws {
        let begun = try await time()
        var (kept, anchor) = (0, [UInt8]())
        while true {
            var page = try await deadElements(-kept - Self.batchLimit, kept == 0 ? -1 : -kept)
            if kept > 0 {
                // The last one kept must be where it was, or what lies before it has moved.
                guard page.popLast() == anchor else {
                    (kept, anchor) = (0, [])
                    restart()
                    continue
                }
            }
            if page.isEmpty { return }
            let letters = page.map { DeadLetter(element: $0) }
            let subjects = try await self.subjects(of: letters.compactMap { $0 })
            for (element, letter) in zip(page, letters).reversed() {
                if let letter {
                    if letter.failedAt > begun { return }
                    let subject = subjects[letter.element] ?? DeadLetterSubject(payload: letter.payload)
                    if filter.matches(letter, subject) {
                        switch try await visit(letter, subject) {
                        case .removed: continue
                        case .stop: return
                        case .kept: break
                        }
                    }
                }
                (kept, anchor) = (kept + 1, element)
            }
        }
    }

    /// Letters that are meant, the newest first; `offset` of them are left out.
    public func deadLetters(
        matching filter: DeadLetterFilter, offset: Int, limit: Int
    ) async throws(QueueError) -> [(letter: DeadLetter, subject: DeadLetterSubject)] {
        let total = Int(try await command(["LLEN", RedisArgument(keys.dead)]).int ?? 0)
        var (found, skipped) = ([(letter: DeadLetter, subject: DeadLetterSubject)](), 0)
        // Counted from the old end, as new letters move the other one.
        for start in stride(from: total, to: 0, by: -Self.batchLimit) {
            let page = try await deadElements(-start, -max(1, start - Self.batchLimit + 1))
            let letters = page.compactMap { DeadLetter(element: $0) }
            let subjects = try await self.subjects(of: letters)
            for letter in letters {
                let subject = subjects[letter.element] ?? DeadLetterSubject(payload: letter.payload)
                guard filter.matches(letter, subject) else { continue }
                skipped += 1
                if skipped > offset { found.append((letter, subject)) }
                if found.count >= limit { return found }
            }
        }
        return found
    }

    private func deadElements(_ first: Int, _ last: Int) async throws(QueueError) -> [[UInt8]] {
        let reply = try await command([
            "LRANGE", RedisArgument(keys.dead), RedisArgument(first), RedisArgument(last),
        ])
        return (reply.array ?? []).compactMap(\.bytes)
    }

    /// Whose jobs the letters were. Of an integration that a payload names by its number the queue knows more, once a job of
    /// it has run.
    private func subjects(of letters: [DeadLetter]) async throws(QueueError) -> [[UInt8]: DeadLetterSubject] {
        var subjects: [[UInt8]: DeadLetterSubject] = [:]
        for letter in letters { subjects[letter.element] = DeadLetterSubject(payload: letter.payload) }
        let ids = Set(subjects.values.filter { $0.service == nil }.compactMap(\.integrationID))
        guard !ids.isEmpty else { return subjects }
        let ordered = ids.sorted()
        let owners = try await command(
            ["HMGET", RedisArgument(keys.owners)] + ordered.map { RedisArgument($0) })
        var names: [Int64: [Substring]] = [:]
        for (id, owner) in zip(ordered, owners.array ?? []) {
            names[id] = owner.text?.split(separator: "\u{1F}", omittingEmptySubsequences: false)
        }
        for (element, subject) in subjects {
            guard let id = subject.integrationID, let parts = names[id], parts.count == 2 else { continue }
            subjects[element]?.user = String(parts[0])
            subjects[element]?.service = String(parts[1])
        }
        return subjects
    }
}
