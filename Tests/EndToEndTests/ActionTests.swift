// SPDX-License-Identifier: Apache-2.0

import DevCluster
import Foundation
import Glibc
import Model
import PostgresClient
import RedisClient
import Settings
import SyncStore
import TestSupport
import Testing

/// Actions in a cluster of processes, whose workers are killed at each step of them.
@Suite(.serialized) struct `An action in a cluster` {
    /// What each action is called at its provider.
    private static let endpoints = [
        "stripe": "subscriptions.create", "slack": "chat.postMessage", "gmail": "messages.send",
    ]

    private struct Scene {
        let cluster: Cluster
        /// The action of each service.
        var actions: [String: Int64] = [:]

        init(_ cluster: Cluster) { self.cluster = cluster }

        private func ids(_ service: String, _ stream: String) async throws -> String {
            let lines = try await cluster.control(
                "objects?user=u_1&service=\(service)&stream=\(stream)", method: "GET")
            let line = try #require(lines.split(separator: UInt8(ascii: "\n")).first)
            let entry = try JSONSerialization.jsonObject(with: Data(line)) as? [String: Any]
            return try #require(entry?["external_id"] as? String)
        }

        /// Requests one action of each service, by the command, without waiting.
        mutating func request() async throws {
            let wishes = [
                (
                    "stripe", "create_subscription",
                    #"{"customer":"\#(try await ids("stripe", "customers"))","price":"\#(try await ids("stripe", "prices"))"}"#
                ),
                (
                    "slack", "post_message",
                    #"{"channel":"\#(try await ids("slack", "channels"))","text":"Hello"}"#
                ),
                ("gmail", "send_email", #"{"to":"ada@example.com","subject":"Grüße","text":"Hello"}"#),
            ]
            for (service, name, input) in wishes {
                try await cluster.connect(IntegrationKey(userID: "u_1", service: service))
                let result = try await `The command`.lockstep(
                    "action", name, "--user", "u_1", "--service", service, "--input", "-", "--no-wait",
                    "--json", input: input, environment: cluster.processes.environment)
                #expect(result.code == 0, "\(result.text)")
                let answer =
                    try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any]
                actions[service] = try #require((answer?["id"] as? NSNumber)?.int64Value)
            }
        }

        /// The effects that the writes of a service had, by the sandbox's ledger.
        func effects(_ service: String) async throws -> Int {
            let endpoint = endpoints[service] ?? ""
            let ledger = try await cluster.control(
                "ledger?service=\(service)&endpoint=\(endpoint)", method: "GET")
            return try ledger.split(separator: UInt8(ascii: "\n")).count { line in
                let entry = try JSONSerialization.jsonObject(with: Data(line)) as? [String: Any]
                let write = entry?["write"] as? [String: Any]
                return write?["effect"] is String && write?["replay"] as? Bool == false
            }
        }

        func status(_ service: String) async throws -> String? {
            try await cluster.pool.query(
                "SELECT status FROM lockstep.actions WHERE id = $1", [.int(actions[service] ?? 0)]
            ).text(0, 0)
        }

        func until(
            _ limit: Duration, _ what: String, _ location: SourceLocation = #_sourceLocation,
            _ isReached: () async throws -> Bool
        ) async throws {
            let deadline = ContinuousClock.now.advanced(by: limit)
            while try await !isReached() {
                guard ContinuousClock.now < deadline else {
                    Issue.record("not in time: \(what)", sourceLocation: location)
                    return
                }
                try await ContinuousClock().sleep(for: .milliseconds(20))
            }
        }

        /// Waits until all actions have ended, and each attempt has its terminal row.
        func untilEnded(_ location: SourceLocation = #_sourceLocation) async throws {
            try await until(.seconds(90), "the end of all actions", location) {
                try await cluster.count("actions WHERE completed_at IS NULL") == 0
            }
            try await cluster.until(
                "sync_log WHERE status = 'running'", is: 0, within: .seconds(60), location)
        }
    }

    @Test func `is done, shown and listed`() async throws {
        try await Cluster.run(workers: 1, users: 1, objects: 50) { cluster in
            var scene = Scene(cluster)
            try await scene.request()
            try await scene.untilEnded()
            for service in ["stripe", "slack", "gmail"] {
                #expect(try await scene.status(service) == "succeeded")
                #expect(try await scene.effects(service) == 1)
            }
            #expect(
                try await cluster.count(
                    "sync_log WHERE type = 'action' AND status = 'succeeded' AND api_calls = 1")
                    == 3)
            let environment = cluster.processes.environment
            let shown = try await `The command`.lockstep(
                "action", "show", "\(scene.actions["slack"] ?? 0)", environment: environment)
            #expect(shown.code == 0 && shown.output.contains("succeeded"), "\(shown.text)")
            let listed = try `The command`.rows(
                try await `The command`.lockstep("action", "list", "--json", environment: environment))
            #expect(listed.count == 3)
            #expect(
                try await `The command`.lockstep("action", "show", "99", environment: environment).code == 66)
        }
    }

    @Test func `tells its end to who waits, in exit codes and in words`() async throws {
        try await Cluster.run(workers: 1, users: 1, objects: 50) { cluster in
            try await cluster.connect(IntegrationKey(userID: "u_1", service: "slack"))
            let environment = cluster.processes.environment
            func act(_ input: String, _ more: String...) async throws -> `The command`.Result {
                try await `The command`.lockstep(
                    ["action", "post_message", "--user", "u_1", "--service", "slack", "--input", input]
                        + more,
                    input: "", environment: environment)
            }
            let refused = try await act(#"{"channel":"C0NONE","text":"x"}"#)
            #expect(refused.code == 1, "\(refused.text)")
            #expect(refused.output.contains("This Slack channel does not exist"), "\(refused.text)")
            #expect(try await act(#"{"chanel":"C1","text":"x"}"#).code == 65)
            #expect(try await act("@/nowhere").code == 66)
            let unknown = try await `The command`.lockstep(
                "action", "post", "--user", "u_1", "--service", "slack", environment: environment)
            #expect(unknown.code == 64 && unknown.errors.contains("it has: post_message"), "\(unknown.text)")
            let nobody = try await `The command`.lockstep(
                "action", "post_message", "--user", "u_9", "--service", "slack", "--input",
                #"{"channel":"C","text":"x"}"#, environment: environment)
            #expect(nobody.code == 66, "\(nobody.text)")
            let first = try await act(#"{"channel":"C0NONE","text":"x"}"#, "--idempotency-key", "k1")
            #expect(first.code == 1)
            let other = try await act(#"{"channel":"C0NONE","text":"y"}"#, "--idempotency-key", "k1")
            #expect(other.code == 65 && other.errors.contains("'k1' belongs to action"), "\(other.text)")
            #expect(try await cluster.count("actions") == 2)
        }
    }

    @Test func `whose worker dies after it was sent is repeated by key, looked up, or unknown`() async throws
    {
        try await Cluster.run(workers: 1, users: 1, objects: 50, lease: "3s") { cluster in
            var scene = Scene(cluster)
            for (service, endpoint) in Self.endpoints {
                // It is done, and nobody hears of it.
                _ = try await cluster.control(
                    "faults?kind=hang&service=\(service)&endpoint=\(endpoint)&times=1")
            }
            try await scene.request()
            for service in Self.endpoints.keys {
                try await scene.until(.seconds(90), "a write at \(service)") {
                    try await scene.effects(service) == 1
                }
            }
            #expect(cluster.processes.killWorker() != nil)
            try await cluster.processes.startWorker()
            try await scene.untilEnded()
            #expect(try await scene.status("stripe") == "succeeded")
            #expect(try await scene.status("slack") == "unknown")
            #expect(try await scene.status("gmail") == "succeeded")
            for service in Self.endpoints.keys {
                #expect(try await scene.effects(service) == 1, "\(service)")
            }
        }
    }

    @Test func `whose worker dies before it was sent is done once by the next`() async throws {
        try await Cluster.run(workers: 1, users: 1, objects: 50, lease: "3s") { cluster in
            var scene = Scene(cluster)
            // The note that the request goes out takes long: the worker dies over it.
            for statement in [
                "CREATE FUNCTION public.doze() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(600); RETURN NEW; END'",
                """
                CREATE TRIGGER doze BEFORE UPDATE ON lockstep.actions FOR EACH ROW
                WHEN (OLD.in_doubt_since IS NULL AND NEW.in_doubt_since IS NOT NULL) EXECUTE FUNCTION public.doze()
                """,
            ] {
                _ = try await cluster.pool.query(statement)
            }
            try await scene.request()
            let dozing = "FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
            try await scene.until(.seconds(90), "three workers' notes") {
                try await cluster.pool.query("SELECT count(*) \(dozing)").int(0, 0) == 3
            }
            for service in Self.endpoints.keys { #expect(try await scene.effects(service) == 0) }
            #expect(cluster.processes.killWorker() != nil)
            _ = try await cluster.pool.query("SELECT pg_terminate_backend(pid) \(dozing)")
            _ = try await cluster.pool.query("DROP TRIGGER doze ON lockstep.actions")
            try await cluster.processes.startWorker()
            try await scene.untilEnded()
            for service in Self.endpoints.keys {
                #expect(try await scene.status(service) == "succeeded", "\(service)")
                #expect(try await scene.effects(service) == 1, "\(service)")
            }
        }
    }

    @Test func `is not sent by a worker that was stopped over it and wakes up`() async throws {
        try await Cluster.run(workers: 1, users: 1, objects: 50, lease: "3s") { cluster in
            var scene = Scene(cluster)
            for statement in [
                // Longer than the requests of all three take.
                "CREATE FUNCTION public.doze() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(10); RETURN NEW; END'",
                """
                CREATE TRIGGER doze BEFORE UPDATE ON lockstep.actions FOR EACH ROW
                WHEN (OLD.in_doubt_since IS NULL AND NEW.in_doubt_since IS NOT NULL) EXECUTE FUNCTION public.doze()
                """,
            ] {
                _ = try await cluster.pool.query(statement)
            }
            try await scene.request()
            try await scene.until(.seconds(90), "three notes under way") {
                try await cluster.pool.query(
                    "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
                ).int(0, 0) == 3
            }
            let stopped = try #require(cluster.processes.signalWorker(SIGSTOP))
            // The notes are committed; the worker that wrote them has not heard of it.
            try await cluster.until("actions WHERE in_doubt_since IS NOT NULL", is: 3)
            try await cluster.processes.startWorker()
            try await scene.untilEnded()
            #expect(try await scene.status("stripe") == "succeeded")
            #expect(try await scene.status("slack") == "unknown")
            #expect(try await scene.status("gmail") == "succeeded")

            #expect(cluster.processes.signal(stopped, SIGCONT))
            #expect(cluster.processes.signal(stopped, SIGTERM))
            #expect(await cluster.processes.exit(of: stopped) == .code(0))
            for (service, count) in ["stripe": 1, "slack": 0, "gmail": 1] {
                #expect(try await scene.effects(service) == count, "\(service)")
            }
        }
    }

    /// In the queue of actions too the sync that gave way is not taken again before the action.
    @Test(arguments: ["default", "high"])
    func `does not wait for the end of a long sync`(queue: String) async throws {
        try await Cluster.run(workers: 1, users: 1, objects: 1_000) { cluster in
            try await cluster.connect("stripe", users: 1)
            _ = try await cluster.control(
                "faults?kind=slow&milliseconds=1500&times=10000&service=stripe&stream=customers")
            try await cluster.push(
                #"{"user_id":"u_1","service":"stripe","type":"full","id":"long"}"#, queue: queue)
            try await cluster.until("sync_log WHERE job_id = 'long' AND status = 'running'", is: 1)
            let result = try await `The command`.lockstep(
                "action", "cancel_subscription", "--user", "u_1", "--service", "stripe", "--input",
                #"{"subscription":"sub_none"}"#, environment: cluster.processes.environment)
            #expect(result.code == 1 && result.output.contains("does not exist"), "\(result.text)")
            #expect(try await cluster.count("sync_log WHERE job_id = 'long' AND status = 'succeeded'") == 0)
            #expect(try await cluster.count("sync_log WHERE job_id = 'long' AND status = 'yielded'") == 1)
            _ = try await cluster.control("faults", method: "DELETE")
            try await cluster.until("sync_log WHERE job_id = 'long' AND status = 'succeeded'", is: 1)
            #expect(try await cluster.differences("stripe", users: 1) == 0)
        }
    }

    @Test func `whose request is swallowed on its way is done once, or unknown`() async throws {
        try await Cluster.run(workers: 0, users: 1, objects: 50, lease: "3s", starting: false) { cluster in
            let base = cluster.settings.serviceURLs["stripe"] ?? ""
            let port = try #require(
                base.split(separator: ":").last?.split(separator: "/").first.flatMap { Int($0) })
            let proxy = try FaultProxy(to: .port(port))
            let urls = Self.endpoints.keys.sorted().map { "\($0)=http://127.0.0.1:\(proxy.port)/\($0)" }
            let environment = ["LOCKSTEP_SERVICE_URLS": urls.joined(separator: ",")]
            var scene = Scene(cluster)
            proxy.swallow([.toServer])
            try await cluster.processes.startWorker(environment)
            try await scene.request()
            // Each is noted as sent; nothing arrives.
            try await cluster.until("actions WHERE in_doubt_since IS NOT NULL", is: 3)
            #expect(cluster.processes.killWorker() != nil)
            proxy.heal()
            for service in Self.endpoints.keys { #expect(try await scene.effects(service) == 0) }
            try await cluster.processes.startWorker(environment)
            try await scene.untilEnded()
            #expect(try await scene.status("stripe") == "succeeded")
            #expect(try await scene.effects("stripe") == 1)
            #expect(try await scene.status("slack") == "unknown")
            #expect(try await scene.effects("slack") == 0)
            #expect(try await scene.status("gmail") == "succeeded")
            #expect(try await scene.effects("gmail") == 1)
        }
    }

    @Test func `that was accepted while Redis was away is enqueued by a scheduler`() async throws {
        try await Cluster.run(workers: 1, users: 1, objects: 50) { cluster in
            let id = try await cluster.connect(IntegrationKey(userID: "u_1", service: "gmail"))
            let accepted = try await ActionStore(pool: cluster.pool).request(
                "send_email", input: Array(#"{"to":"a@example.com","text":"x"}"#.utf8), key: "k", for: id)
            guard case .accepted(let action, true, _) = accepted else {
                Issue.record("\(accepted)")
                return
            }
            try await cluster.until("actions WHERE id = \(action) AND status = 'succeeded'", is: 1)
            // And so is one whose job Redis lost.
            _ = try await cluster.redis.command(["SADD", "lockstep:paused", "queue:high"])
            let next = try await ActionStore(pool: cluster.pool).request(
                "send_email", input: Array(#"{"to":"a@example.com","text":"y"}"#.utf8), key: "k2", for: id)
            guard case .accepted(let second, true, _) = next else {
                Issue.record("\(next)")
                return
            }
            try await cluster.until("actions WHERE id = \(second) AND sweeps = 1", is: 1)
            _ = try await cluster.redis.command(["FLUSHALL"])
            try await cluster.until(
                "actions WHERE id = \(second) AND status = 'succeeded'", is: 1, within: .seconds(90))
        }
    }
}
