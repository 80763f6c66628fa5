// SPDX-License-Identifier: Apache-2.0

import DevCluster
import Foundation
import JobQueue
import PostgresClient
import RedisClient
import Testing

/// What an operator asks when jobs do not run, and does about it.
@Suite(.serialized) struct `An operator` {
    /// Runs a command on the cluster and expects its exit code.
    private func run(
        _ cluster: Cluster, _ arguments: String..., code: Int32 = 0,
        _ location: SourceLocation = #_sourceLocation
    ) async throws -> `The command`.Result {
        let result = try await `The command`.lockstep(
            arguments, input: "", environment: cluster.processes.environment)
        #expect(result.code == code, "\(arguments): \(result.text)", sourceLocation: location)
        return result
    }

    /// The place of each job of an explanation, with the codes of its reasons.
    private func explain(
        _ cluster: Cluster, _ arguments: [String]
    ) async throws -> [(id: String, place: String, codes: [String], text: String)] {
        let result = try await `The command`.lockstep(
            ["queue", "explain", "--json"] + arguments, input: "", environment: cluster.processes.environment)
        let document = try #require(
            try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any],
            "\(result.text)")
        let jobs = try #require(document["jobs"] as? [[String: Any]])
        return jobs.map { job in
            let reasons = job["reasons"] as? [[String: String]] ?? []
            return (
                job["id"] as? String ?? "", job["place"] as? String ?? "", reasons.compactMap { $0["code"] },
                reasons.compactMap { $0["text"] }.joined(separator: "; ")
            )
        }
    }

    /// Asks until the one job is in that place.
    private func until(
        _ cluster: Cluster, _ arguments: [String], is place: String, _ codes: [String],
        _ location: SourceLocation = #_sourceLocation
    ) async throws {
        let deadline = ContinuousClock.now.advanced(by: .seconds(60))
        var found: [(id: String, place: String, codes: [String], text: String)] = []
        while ContinuousClock.now < deadline {
            found = try await explain(cluster, arguments)
            if found.count == 1, found[0].place == place, found[0].codes == codes { return }
        }
        Issue.record("\(arguments): \(found)", sourceLocation: location)
    }

    @Test func `learns which limit holds an integration back, and for how long`() async throws {
        try await Cluster.run(workers: 1, users: 1, objects: 50) { cluster in
            try await cluster.connect("stripe", users: 1)
            _ = try await cluster.control(
                "faults?kind=status&status=429&retry_after=120&service=stripe&times=1")
            try await cluster.push(#"{"user_id":"u_1","service":"stripe","type":"full","id":"limited"}"#)
            try await cluster.until("sync_log WHERE job_id = 'limited' AND status = 'yielded'", is: 1)

            let text = try await run(cluster, "queue", "explain", "--job", "limited").output
            #expect(text.contains("is delayed until"), "\(text)")
            #expect(text.contains("makes requests wait: closed for 1"), "\(text)")
            let limits = try await run(cluster, "limits", "u_1/stripe").output
            #expect(limits.contains("closed for 1") && limits.contains("circuit breaker"), "\(limits)")
        }
    }

    @Test func `learns why a job does not run: a pause, a busy integration, a retry, a dead letter`()
        async throws
    {
        try await Cluster.run(workers: 1, users: 3, objects: 2_000) { cluster in
            let ids = try await cluster.connect("stripe", users: 3)
            // Paused user: parked, and named.
            _ = try await run(cluster, "queue", "pause", "user:u_1")
            try await cluster.push(#"{"user_id":"u_1","service":"stripe","type":"full","id":"paused"}"#)
            try await until(cluster, ["--job", "paused"], is: "parked", ["paused"])
            let paused = try await explain(cluster, ["--user", "u_1", "--service", "stripe"])
            #expect(paused.map(\.id) == ["paused"])
            #expect(paused.first?.text.contains("lockstep queue resume user:u_1") == true)

            // Busy integration: the second job waits for the first, whose worker is named by its run.
            // It runs until the end of the test, which runs many commands.
            _ = try await cluster.control("faults?kind=slow&milliseconds=2000&times=1000")
            try await cluster.push(#"{"user_id":"u_2","service":"stripe","type":"full","id":"long"}"#)
            try await until(cluster, ["--job", "long"], is: "in_flight", [])
            try await cluster.until("sync_log WHERE job_id = 'long'", is: 1)
            try await cluster.push(
                #"{"user_id":"u_2","service":"stripe","type":"incremental","id":"behind"}"#)
            try await until(cluster, ["--job", "behind"], is: "parked", ["integration_busy"])
            let text = try await run(cluster, "queue", "explain", "--integration", "\(ids[1])").output
            #expect(text.contains("job long (full) is running from queue default: worker token"), "\(text)")
            #expect(text.contains("as job long of the same integration runs"), "\(text)")
            #expect(text.contains("of job long (full, attempt 1"), "\(text)")

            // Later, cancelled, dead and unknown.
            try await cluster.push(
                #"{"user_id":"u_3","service":"stripe","type":"full","id":"later","not_before":"2999-01-01T00:00:00Z"}"#
            )
            try await until(cluster, ["--job", "later"], is: "delayed", ["not_before"])
            _ = try await run(cluster, "queue", "cancel", "later")
            try await until(cluster, ["--job", "later"], is: "delayed", ["cancelled"])
            try await cluster.push(#"{"user_id":"nobody","service":"stripe","type":"full","id":"lost"}"#)
            try await until(cluster, ["--job", "lost"], is: "dead", ["dead_letter"])
            let dead = try await run(cluster, "queue", "explain", "--job", "lost").output
            #expect(dead.contains("there is no integration nobody/stripe"), "\(dead)")
            #expect(
                try await run(cluster, "queue", "explain", "--job", "never", code: 66).output.contains(
                    "nowhere"))
            _ = try await run(cluster, "queue", "explain", code: 64)
            _ = try await run(cluster, "queue", "explain", "--job", "a b", code: 64)

            // An account that is paused, and a done job with its run.
            _ = try await run(cluster, "queue", "cancel", "long")
            try await cluster.until("sync_log WHERE job_id = 'long' AND status = 'cancelled'", is: 1)
            let done = try await run(cluster, "queue", "explain", "--job", "long").output
            #expect(done.contains("is not in the queue") && done.contains("cancelled, ended"), "\(done)")
            _ = try await run(cluster, "integrations", "pause", "u_3/stripe")
            let account = try await run(cluster, "queue", "explain", "--user", "u_3", "--service", "stripe")
                .output
            #expect(account.contains("is paused, so its jobs become dead letters"), "\(account)")
        }
    }

    @Test func `learns that nobody works, and sets caps and weights`() async throws {
        try await Cluster.run(workers: 0, users: 1, objects: 20, starting: false) { cluster in
            try await cluster.connect("stripe", users: 1)
            try await cluster.push(#"{"user_id":"u_1","service":"stripe","type":"full","id":"a"}"#)
            try await until(cluster, ["--job", "a"], is: "list", ["no_worker", "turn"])

            _ = try await run(cluster, "queue", "cap", "service:stripe", "2")
            _ = try await run(cluster, "queue", "weight", "user:u_1", "2.5")
            let set = try `The command`.rows(try await run(cluster, "queue", "policy", "--json"))
            #expect(set.map { $0["kind"] } == ["cap", "weight"] && set.map { $0["value"] } == ["2", "2.5"])
            _ = try await run(cluster, "queue", "cap", "service:stripe", "none")
            _ = try await run(cluster, "queue", "weight", "user:u_1", "default")
            #expect(try `The command`.rows(try await run(cluster, "queue", "policy", "--json")).isEmpty)
            for wrong in [
                ["cap", "integration:1", "2"], ["cap", "queue:urgent", "2"], ["cap", "user:a", "0"],
                ["weight", "service:a", "2"], ["weight", "user:a", "1e3"],
            ] {
                let result = try await `The command`.lockstep(
                    ["queue"] + wrong, input: "", environment: cluster.processes.environment)
                #expect(result.code == 64 && result.errors.contains("allowed:"), "\(wrong): \(result.text)")
            }
            let stats = try `The command`.rows(try await run(cluster, "queue", "stats", "--json"))
            func jobs(_ name: String) -> String? { stats.first { $0["where"] == name }?["jobs"] }
            #expect(
                jobs("backlog default") == "1" && jobs("parked for cap") == "0"
                    && jobs("living workers") == "0")
        }
    }

    @Test func `finds, counts, replays and purges dead letters by what they have in common`() async throws {
        try await Cluster.run(workers: 1, users: 1, objects: 20) { cluster in
            for number in 0..<6 {
                try await cluster.push(
                    "{\"user_id\":\"u_\(number)\",\"service\":\"\(number < 4 ? "stripe" : "slack")\",\"type\":\"full\",\"id\":\"d\(number)\"}"
                )
            }
            try await cluster.push("no job")
            let deadline = ContinuousClock.now.advanced(by: .seconds(60))
            while try await cluster.queue.deadLetters().total < 7, ContinuousClock.now < deadline {}

            let counts = try `The command`.rows(try await run(cluster, "dead", "count", "--json"))
            #expect(
                counts.first?["code"] == "unknown_integration" && counts.first?["letters"] == "4", "\(counts)"
            )
            #expect(counts.contains { $0["code"] == "not_json" && $0["letters"] == "1" }, "\(counts)")
            let slack = try `The command`.rows(
                try await run(cluster, "dead", "list", "--service", "slack", "--json"))
            #expect(Set(slack.compactMap { $0["job"] }) == ["d4", "d5"])
            #expect(
                try await run(cluster, "dead", "replay", "--service", "slack", "--dry-run").output
                    == "would replay 2 dead letters, which takes 0 s at 50/s\n")
            #expect(try await cluster.queue.deadLetters().total == 7)
            _ = try await run(cluster, "dead", "replay", "--service", "slack", "--rate", "fast", code: 64)
            _ = try await run(cluster, "dead", "replay", code: 64)

            // They die again, and are not replayed twice by one command.
            #expect(
                try await run(cluster, "dead", "replay", "--service", "slack", "--rate", "20/s").output
                    == "replayed 2\n")
            while try await cluster.queue.deadLetters().total < 7, ContinuousClock.now < deadline {}
            #expect(try await run(cluster, "dead", "purge", "--code", "not_json").output == "purged 1\n")
            #expect(try await run(cluster, "dead", "purge", "--user", "u_0").output == "purged 1\n")
            #expect(
                try await run(cluster, "dead", "purge", "--all", "--dry-run").output
                    == "would purge 5 dead letters\n")
            #expect(try await run(cluster, "dead", "purge", "--all").output == "purged 5\n")
        }
    }

    @Test func `backfills a service in steps, once, and is told what failed`() async throws {
        try await Cluster.run(workers: 1, users: 3, objects: 50) { cluster in
            let ids = try await cluster.connect("stripe", users: 3)
            let range = ["backfill", "--service", "stripe", "--since", "2020-01-01T00:00:00Z"]
            let steps = range + ["--until", "2020-01-22T00:00:00Z", "--step", "7d", "--streams", "invoices"]
            func backfill(_ arguments: [String]) async throws -> `The command`.Result {
                try await `The command`.lockstep(
                    arguments, input: "", environment: cluster.processes.environment)
            }
            let first = try await backfill(steps + ["--watch"])
            #expect(
                first.code == 0 && first.output.contains("enqueued 9 of 9 jobs of 3 integrations"),
                "\(first.text)")
            #expect(first.output.contains("9 of 9 jobs done"), "\(first.text)")
            #expect(!first.output.contains("\u{1B}"))
            #expect(try await cluster.count("sync_log WHERE type = 'backfill' AND status = 'succeeded'") == 9)

            // Again, also when Redis has lost what it knew of it: nothing is read twice.
            let second = try await backfill(steps + ["--watch"])
            #expect(second.code == 0 && second.output.contains("enqueued 0 of 9 jobs"), "\(second.text)")
            let marks = try await cluster.redis.command(["KEYS", "lockstep:backfill:*"]).array ?? []
            #expect(marks.count == 1)
            _ = try await cluster.redis.command(["FLUSHALL"])
            let third = try await backfill(steps)
            #expect(
                third.output.contains("enqueued 0 of 9 jobs of 3 integrations in queue low; 9 are done"),
                "\(third.text)")
            #expect(try await cluster.count("sync_log WHERE type = 'backfill'") == 9)

            // A user whose credential is refused, one that is not there, and one that works.
            _ = try await cluster.pool.query(
                "DELETE FROM lockstep.credentials WHERE integration_id = $1", [.int(ids[1])])
            let mixed = try await backfill(range + ["--users", "u_1,u_2,u_9", "--watch"])
            #expect(mixed.code == 1, "\(mixed.text)")
            #expect(
                mixed.output.contains("1 users have no active integration of stripe: u_9"), "\(mixed.text)")
            #expect(mixed.output.contains("1 of 2 jobs done, 1 failed"), "\(mixed.text)")

            #expect(
                try await backfill(range + ["--streams", "invoice"]).errors.contains(
                    "did you mean 'invoices'?"))
            #expect(try await backfill(range + ["--step", "7d"]).code == 64)
            #expect(
                try await backfill(["backfill", "--service", "slack", "--since", "2020-01-01T00:00:00Z"]).code
                    == 66)
            #expect(
                try await backfill(["backfill", "--service", "stripe", "--since", "yesterday"]).code == 64)
        }
    }
}
