// SPDX-License-Identifier: Apache-2.0

import Model
import RedisClient
import Testing

@testable import JobQueue

@Suite struct `A cancelled job` {
    @Test(arguments: ["ready", "sorted", "delayed", "parked"])
    func `is dropped where it waits, and no other`(place: String) async throws {
        try await withQueue { fixture in
            func job(_ id: String, _ account: Int) -> [UInt8] {
                let text =
                    #"{"user_id":"u","service":"stripe","account":"a\#(account)","type":"full","id":"\#(id)"}"#
                return Array(text.utf8)
            }
            if place == "parked" { try await fixture.queue.pause(.user("u")) }
            try await fixture.queue.enqueue(
                [job("unwanted", 1), job("wanted", 2)], in: .default,
                due: place == "delayed" ? .after(.milliseconds(20)) : .now)
            if place == "sorted" { _ = try await fixture.queue.sort() }
            if place == "parked" {
                #expect(try await fixture.claimAll().isEmpty)
                #expect(try await fixture.queue.statistics().parked == 2)
            }
            #expect(try await !fixture.queue.cancel(jobID: "unwanted"))
            if place == "parked" { #expect(try await fixture.queue.resume(.user("u")) == 2) }

            var jobs: [ClaimedJob] = []
            let limit = ContinuousClock.now + .seconds(30)
            while try await fixture.counter("cancelled") == 0 || jobs.isEmpty, ContinuousClock.now < limit {
                jobs += try await fixture.claimAll(limit: 1)
            }
            #expect(jobs.map(\.id) == ["wanted"])
            #expect(try await fixture.redis.command(["EXISTS", fixture.key("cancelled")]).int == 0)
            #expect(try await fixture.queue.statistics().dead == 0)
        }
    }

    @Test func `that runs is told to its worker, and the next job of its integration runs`() async throws {
        try await withQueue { fixture in
            try await fixture.push(payload("u"), payload("u", "incremental"))
            let job = try await fixture.claimOne()
            _ = try await fixture.claimAll()
            #expect(try await fixture.queue.cancel(jobID: job.id))
            #expect(try await fixture.queue.cancelled(among: ["other", job.id]) == [job.id])
            #expect(try await fixture.queue.finishCancelled(job.lease))
            #expect(try await fixture.queue.cancelled(among: [job.id]).isEmpty)
            #expect(try await fixture.claimOne().payload.type == .incremental)
        }
    }

    @Test func `whose worker died does not run again`() async throws {
        try await withQueue { fixture in
            try await fixture.push(payload("u"))
            let job = try #require(try await fixture.mortal.claim(limit: 1).jobs.first)
            _ = try await fixture.queue.cancel(jobID: job.id)
            _ = try await fixture.reapUntilRecovered()
            #expect(try await fixture.claimAll().isEmpty)
            #expect(try await fixture.counter("cancelled") == 1)
            try await fixture.expectNothingInFlight()
        }
    }
}
