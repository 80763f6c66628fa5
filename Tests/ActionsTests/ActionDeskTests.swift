// SPDX-License-Identifier: Apache-2.0

import Actions
import ConnectorKit
import JobQueue
import Model
import PostgresClient
import SyncStore
import Testing

@Suite struct `A wish for an action` {
    private static let message = Array(#"{"channel":"C1","text":"Hello"}"#.utf8)

    private static func refusal(
        _ desk: ActionDesk, _ name: String, _ input: [UInt8], of id: Int64, key: String? = nil
    ) async throws -> ActionRefusal {
        let refusal = await #expect(throws: ActionRefusal.self) {
            try await desk.request(name, input: input, for: .id(id), idempotencyKey: key)
        }
        return try #require(refusal)
    }

    @Test func `becomes a row, and then a job that comes before all others`() async throws {
        try await ActionFixture.run { fixture in
            let id = try await fixture.integration("slack")
            let accepted = try await fixture.desk.request("post_message", input: Self.message, for: .id(id))
            #expect(accepted.isNew && accepted.status == "requested" && accepted.queueProblem == nil)
            let job = try #require(try await fixture.queue.claim(limit: 1).jobs.first)
            #expect(job.id == "action:\(accepted.id)" && job.queue == .high)
            #expect(
                job.payload == JobPayload(integration: .id(id), type: .action, id: job.id, ref: accepted.id))
        }
    }

    @Test func `with a key that is known is the same one, and another wish is refused`() async throws {
        try await ActionFixture.run { fixture in
            let (id, other) = (
                try await fixture.integration("slack"), try await fixture.integration("slack", user: 2)
            )
            func request(_ text: String, _ key: String?, of id: Int64) async throws -> AcceptedAction {
                try await fixture.desk.request(
                    "post_message", input: Array(text.utf8), for: .id(id), idempotencyKey: key)
            }
            let first = try await request(#"{"channel":"C1","text":"Hello"}"#, "order-17", of: id)
            // Order and white space are no difference.
            let again = try await request(#"{ "text":"Hello", "channel":"C1" }"#, "order-17", of: id)
            #expect(again.id == first.id && !again.isNew)
            #expect(try await request(#"{"channel":"C1","text":"Hello"}"#, nil, of: id).id != first.id)

            for (text, target) in [
                (#"{"channel":"C1","text":"hello"}"#, id), (#"{"channel":"C1","text":"Hello"}"#, other),
            ] {
                let refusal = try await Self.refusal(
                    fixture.desk, "post_message", Array(text.utf8), of: target, key: "order-17")
                #expect(refusal.code == .keyInUse(by: first.id))
                #expect(refusal.message.contains("'order-17' belongs to action \(first.id)"))
            }
            #expect(try await fixture.text("SELECT count(*)::text FROM lockstep.actions") == "2")
        }
    }

    @Test func `of many at once with one key makes one row and one job`() async throws {
        try await ActionFixture.run { fixture in
            let id = try await fixture.integration("slack")
            let desk = fixture.desk
            let ids = try await withThrowingTaskGroup(of: AcceptedAction.self) { group in
                for _ in 0..<50 {
                    group.addTask {
                        try await desk.request(
                            "post_message", input: Self.message, for: .id(id), idempotencyKey: "one")
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(Set(ids.map(\.id)).count == 1 && ids.count(where: \.isNew) == 1)
            #expect(try await fixture.queue.statistics().ready[.high] == 1)
        }
    }

    @Test func `is refused before anything is stored`() async throws {
        try await ActionFixture.run { fixture in
            let id = try await fixture.integration("slack")
            let desk = fixture.desk
            let unknown = try await Self.refusal(desk, "post_massage", Self.message, of: id)
            #expect(unknown.code == .unknownAction)
            #expect(unknown.message.contains("it has: post_message"))
            #expect(
                try await Self.refusal(desk, "post_message", Self.message, of: id + 1).code
                    == .unknownIntegration)
            for (text, part) in [
                ("", "input: the input is not valid JSON"), ("[1]", "has to be a JSON object"),
                (#"{"channel":"C1","channel":"C2","text":"x"}"#, "the key \"channel\" occurs twice"),
                (#"{"channel":"C1","text":"\ud800"}"#, "half of a surrogate pair"),
                (#"{"channel":"C1","blocks":[1e999999]}"#, "input: has a value that cannot be stored"),
                (#"{"channel":"C1","text":"\u0000"}"#, "input.text: has the character U+0000"),
            ] {
                let refusal = try await Self.refusal(desk, "post_message", Array(text.utf8), of: id)
                guard case .invalidInput = refusal.code else {
                    Issue.record("\(text): \(refusal)")
                    continue
                }
                #expect(refusal.message.contains(part), "\(refusal.message)")
            }
            let large = [UInt8](repeating: 0x20, count: ActionDesk.maximumInputBytes + 1)
            #expect(
                try await Self.refusal(desk, "post_message", large, of: id).message.contains("at most 262144")
            )
            for key in ["", "a\nb", String(repeating: "k", count: 256)] {
                #expect(
                    try await Self.refusal(desk, "post_message", Self.message, of: id, key: key).code
                        == .invalidKey)
            }
            _ = try await fixture.pool.query("UPDATE lockstep.integrations SET status = 'paused'")
            #expect(
                try await Self.refusal(desk, "post_message", Self.message, of: id).code
                    == .inactive(status: "paused"))
            #expect(try await fixture.text("SELECT count(*)::text FROM lockstep.actions") == "0")
            #expect(try await fixture.queue.statistics().ready[.high] == 0)
        }
    }
}
