// SPDX-License-Identifier: Apache-2.0

import Model
import Testing

@testable import Gateway

@Suite struct `A value of the whole fleet` {
    private struct Broken: Error {}

    /// Gives 1, 2, 3 and so on, each when the test lets it.
    private final class Maker: Sendable {
        let count = LockedBox(0)
        let failures = LockedBox(0)
        private let gate = AsyncStream.makeStream(of: Bool.self)
        let begun = LockedBox(0)

        func value(_ moment: Duration) -> Refreshed<Int> {
            Refreshed(moment: moment) { _ in
                self.failures.withLock { $0 += 1 }
            } make: {
                self.begun.withLock { $0 += 1 }
                var answers = self.gate.stream.makeAsyncIterator()
                guard await answers.next() == true else { throw Broken() }
                return self.count.withLock { count in
                    count += 1
                    return count
                }
            }
        }

        func answer(_ isGood: Bool = true) { gate.continuation.yield(isGood) }
    }

    @Test func `is made anew for each reader while it is made in a moment`() async throws {
        let maker = Maker()
        let value = maker.value(.seconds(60))
        for expected in 1...3 {
            maker.answer()
            let (found, isNew) = try await value.value()
            #expect(found == expected && isNew)
        }
    }

    @Test func `is made once for many at first, and beside its readers then`() async throws {
        let maker = Maker()
        let value = maker.value(.zero)
        let readers = (0..<20).map { _ in Task { try await value.value().0 } }
        maker.answer()
        for reader in readers { #expect(try await reader.value == 1) }

        // The next one is made after nine times the time that the last one took, and nobody waits for it.
        let deadline = ContinuousClock.now + .seconds(60)
        while maker.begun.withLock({ $0 }) == 1, ContinuousClock.now < deadline {
            #expect(try await value.value().0 == 1)
            await Task.yield()
        }
        #expect(maker.begun.withLock { $0 } == 2)
        for _ in 0..<20 { #expect(try await value.value().0 == 1) }
        maker.answer()
        while try await value.value().0 == 1, ContinuousClock.now < deadline { await Task.yield() }
        #expect(try await value.value().0 == 2)
    }

    @Test func `stays as it is when no new one can be made, and has an error only before there was one`()
        async throws
    {
        let maker = Maker()
        let value = maker.value(.zero)
        maker.answer(false)
        await #expect(throws: Broken.self) { try await value.value() }
        maker.answer()
        #expect(try await value.value().0 == 1)
        maker.answer(false)
        let deadline = ContinuousClock.now + .seconds(60)
        while maker.failures.withLock({ $0 }) == 0, ContinuousClock.now < deadline {
            #expect(try await value.value().0 == 1)
            await Task.yield()
        }
        #expect(maker.failures.withLock { $0 } == 1)
        #expect(try await value.value().0 == 1)
    }

    @Test func `is waited for when nobody has asked for it in a while`() async throws {
        let count = LockedBox(0)
        let value = Refreshed(moment: .zero, oldest: .zero) { _ in
        } make: {
            count.withLock { count in
                count += 1
                return count
            }
        }
        #expect(try await value.value().0 == 1)
        let deadline = ContinuousClock.now + .seconds(60)
        var isNew = false
        while !isNew, ContinuousClock.now < deadline {
            try await Task.sleep(for: .milliseconds(10))
            isNew = try await value.value().isNew
        }
        #expect(isNew)
    }
}
