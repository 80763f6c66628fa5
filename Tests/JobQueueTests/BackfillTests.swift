// SPDX-License-Identifier: Apache-2.0

import Model
import RedisClient
import Testing

@testable import JobQueue

@Suite struct `A backfill's jobs` {
    private func jobs(_ integrations: ClosedRange<Int64>, steps: Int = 2) -> [BackfillJob] {
        integrations.flatMap { integration in
            (0..<steps).map { step in
                BackfillJob(
                    of: "bf:0123", integrationID: integration, step: step, streams: ["invoices"],
                    since: Timestamp(seconds: Int64(step) * 1_000),
                    until: Timestamp(seconds: Int64(step + 1) * 1_000)
                )
            }
        }
    }

    @Test func `are enqueued once, however often and in whatever parts they come`() async throws {
        try await withQueue { fixture in
            let queue = fixture.queue
            #expect(try await queue.backfillMark(of: "bf:0123", part: 0) == nil)
            #expect(try await queue.enqueue(jobs(1...60), ofBackfill: "bf:0123", part: 0, in: .low) == 120)
            #expect(
                try await queue.backfillMark(of: "bf:0123", part: 0)
                    == BackfillMark(integrationID: 60, step: 1))
            #expect(try await queue.enqueue(jobs(1...60), ofBackfill: "bf:0123", part: 0, in: .low) == 0)
            // A page that was half done goes on in its middle.
            #expect(try await queue.enqueue(jobs(59...62), ofBackfill: "bf:0123", part: 0, in: .low) == 4)
            let last = Array(jobs(63...63, steps: 3).prefix(1))
            #expect(try await queue.enqueue(last, ofBackfill: "bf:0123", part: 0, in: .low) == 1)
            #expect(
                try await queue.enqueue(jobs(63...63, steps: 3), ofBackfill: "bf:0123", part: 0, in: .low)
                    == 2)
            // Another part has a mark of its own, and a mark goes after a while.
            #expect(try await queue.enqueue(jobs(1...1), ofBackfill: "bf:0123", part: 1, in: .low) == 2)
            let left = try await fixture.redis.command(["TTL", fixture.key("backfill:bf:0123:0")]).int
            #expect(left.map { $0 > 600_000 && $0 <= 604_800 } == true)

            let claimed = try await queue.claim(limit: 10).jobs
            #expect(claimed.allSatisfy { $0.payload.type == .backfill && $0.id.hasPrefix("bf:0123:") })
            #expect(
                claimed.first.map { $0.payload.streams == ["invoices"] && $0.payload.until != nil } == true)
        }
    }
}
