// SPDX-License-Identifier: Apache-2.0

import Model
import Testing

@testable import JobQueue

@Suite struct `A job that keeps a person waiting` {
    private static func action(_ integration: Int, _ ref: Int) -> String {
        #"{"integration_id":\#(integration),"type":"action","ref":\#(ref),"id":"action:\#(ref)"}"#
    }

    @Test func `is told so, whichever way the waiting job names the integration`() async throws {
        try await withQueue { fixture in
            try await fixture.push(payload("u"), payload("v"))
            let jobs = try await fixture.claimAll()
            let u = try #require(jobs.first { $0.payload == Self.parsed(payload("u")) })
            #expect(
                try await fixture.queue.bind(
                    u.lease, integrationID: 7, key: IntegrationKey(userID: "u", service: "stripe")) == .bound)
            #expect(try await fixture.queue.hurried(among: jobs.map(\.lease)).isEmpty)

            // A sync that waits is no hurry.
            try await fixture.push(payload("u", "incremental"), payload("v", "incremental"))
            #expect(try await fixture.claimAll().isEmpty)
            #expect(try await fixture.queue.hurried(among: jobs.map(\.lease)).isEmpty)

            try await fixture.push(Self.action(7, 1), to: "high")
            #expect(try await fixture.claimAll().isEmpty)
            #expect(try await fixture.queue.hurried(among: jobs.map(\.lease)).map(\.id) == [u.id])

            // It gives way, and the action runs before what waited for the name.
            #expect(try await fixture.queue.snooze(u.lease, after: .zero))
            #expect(try await fixture.claimOne().payload.type == .action)
            #expect(try await fixture.queue.hurried(among: [u.lease]).isEmpty)
        }
    }

    private static func parsed(_ text: String) -> JobPayload? {
        if case .success(let payload) = JobPayload.parse(Array(text.utf8)) { payload } else { nil }
    }
}
