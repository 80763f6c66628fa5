// SPDX-License-Identifier: Apache-2.0

import DevCluster
import Foundation
import JobQueue
import Testing

/// `lockstep` as an operator runs it: what it prints, and the code it exits with.
@Suite(.serialized) struct `The command` {
    /// What one run left.
    struct Result {
        let code: Int32
        let output: String
        let errors: String
        var text: String { output + errors }
    }

    /// Runs `lockstep` with `input` on standard input. Without a cluster there is no server it could reach.
    static func lockstep(
        _ arguments: String..., input: String = "", environment: [String: String] = ["PATH": "/usr/bin:/bin"]
    ) async throws -> Result {
        try await lockstep(arguments, input: input, environment: environment)
    }

    static func lockstep(
        _ arguments: [String], input: String = "", environment: [String: String]
    ) async throws -> Result {
        let directory = "/tmp/lockstep-cli-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { Cluster.remove(directory) }
        try input.write(toFile: "\(directory)/in", atomically: false, encoding: .utf8)
        let process = try await ChildProcess.start(
            name: "lockstep", program: "/bin/sh",
            arguments: [
                "-c", "d=$1; shift; exec \"$@\" <\"$d/in\" >\"$d/out\" 2>\"$d/err\"", "sh", directory,
                "\(Cluster.programs)/lockstep",
            ] + arguments,
            environment: environment, log: "\(directory)/log")
        guard case .code(let code) = await process.wait() else {
            throw DevClusterError("lockstep \(arguments) was ended by a signal")
        }
        return Result(
            code: code, output: try String(contentsOfFile: "\(directory)/out", encoding: .utf8),
            errors: try String(contentsOfFile: "\(directory)/err", encoding: .utf8))
    }

    /// Each object of a `--json` output, by its columns.
    static func rows(_ result: Result) throws -> [[String: String]] {
        let document = try JSONSerialization.jsonObject(with: Data(result.output.utf8))
        return try #require(document as? [[String: Any]]).map { $0.mapValues { "\($0)" } }
    }

    @Test(
        arguments: [
            (["frobnicate"], 64, "frobnicate"),
            (["enqueue", "--queue", "urgent"], 64, "'urgent' is no queue; allowed: high, default, low"),
            (["status"], 78, "DATABASE_URL: not set"),
            (["connector", "validate", "/nowhere.yaml"], 66, "/nowhere.yaml"),
        ] as [([String], Int32, String)])
    func `names what is wrong, and says so in its exit code`(
        arguments: [String], code: Int32, part: String
    ) async throws {
        let input = arguments.first == "enqueue" ? #"{"user_id":"u_1","service":"stripe","type":"full"}"# : ""
        let result = try await run(arguments, input)
        #expect(result.code == code, "\(result.text)")
        #expect(result.errors.contains(part), "\(result.text)")
        #expect(result.output.isEmpty)
    }

    private func run(_ arguments: [String], _ input: String) async throws -> Result {
        switch arguments.count {
        case 1: try await Self.lockstep(arguments[0], input: input)
        default: try await Self.lockstep(arguments[0], arguments[1], arguments[2], input: input)
        }
    }

    @Test func `validates a manifest with the line of each problem`() async throws {
        let file = "/tmp/lockstep-manifest-\(getpid()).yaml"
        defer { Cluster.remove(file) }
        let good = """
            lockstep: 1
            service: demo
            base_url: https://api.example.com
            streams:
              items: { path: /items, records: /data, id: /id, page: { kind: none } }
            """
        try good.write(toFile: file, atomically: false, encoding: .utf8)
        #expect(try await Self.lockstep("connector", "validate", file).code == 0)

        let bad = good.replacingOccurrences(of: "/id,", with: "id,").replacingOccurrences(
            of: "service: demo", with: "service: Demo")
        try bad.write(toFile: file, atomically: false, encoding: .utf8)
        let result = try await Self.lockstep("connector", "validate", file)
        #expect(result.code == 65)
        #expect(result.errors.contains(":2: service:"), "\(result.errors)")
        #expect(result.errors.contains(":5: streams.items.id"), "\(result.errors)")
    }

    @Test func `connects, syncs, shows, pauses and resumes an integration`() async throws {
        try await Cluster.run(workers: 1, users: 1, objects: 20) { cluster in
            let environment = cluster.processes.environment
            let added = try await Self.lockstep(
                "integrations", "add", "u_1", "stripe", input: "api_key=sk_test_u_1\n",
                environment: environment)
            #expect(added.code == 0, "\(added.text)")
            #expect(!added.text.contains("sk_test"))

            #expect(
                try await Self.lockstep("sync", "u_1/stripe", "--full", environment: environment).code == 0)
            try await cluster.until("sync_log WHERE status = 'succeeded'", is: 1)
            let listed = try Self.rows(
                try await Self.lockstep("integrations", "list", "--json", environment: environment))
            #expect(listed.count == 1)
            #expect(listed.first?.values.contains("active") == true, "\(listed)")
            let shown = try await Self.lockstep(
                "integrations", "show", "u_1/stripe", environment: environment)
            #expect(shown.code == 0 && shown.output.contains("customers"))

            #expect(
                try await Self.lockstep("integrations", "pause", "u_1/stripe", environment: environment).code
                    == 0)
            #expect(try await cluster.count("integrations WHERE status = 'paused'") == 1)
            #expect(
                try await Self.lockstep("integrations", "resume", "u_1/stripe", environment: environment).code
                    == 0)
            #expect(try await cluster.count("integrations WHERE status = 'active'") == 1)

            let missing = try await Self.lockstep("sync", "nobody/stripe", environment: environment)
            #expect(missing.code == 66)
            #expect(missing.errors.contains("nobody"))
        }
    }

    @Test func `enqueues all lines or none, and replays what died`() async throws {
        try await Cluster.run(workers: 1, users: 1, objects: 20) { cluster in
            let environment = cluster.processes.environment
            let good = #"{"user_id":"u_1","service":"stripe","type":"full","id":"first"}"#
            let refused = try await Self.lockstep(
                "enqueue", input: "\(good)\n{\"user\":\"u_1\"}\n", environment: environment)
            #expect(refused.code == 65)
            #expect(refused.errors.contains("user_id"), "\(refused.errors)")
            #expect(try await cluster.queue.deadLetters().total == 0)

            // There is no such integration yet, so the job dies; replayed after it was added, it runs.
            let accepted = try await Self.lockstep("enqueue", input: "\(good)\n", environment: environment)
            #expect(accepted.code == 0 && accepted.output == "first\n", "\(accepted.text)")
            let deadline = ContinuousClock.now.advanced(by: .seconds(60))
            while try await cluster.queue.deadLetters().total == 0, ContinuousClock.now < deadline {}
            let letters = try Self.rows(
                try await Self.lockstep("dead", "list", "--json", environment: environment))
            #expect(letters.first?.values.contains("first") == true, "\(letters)")
            let shown = try await Self.lockstep("dead", "show", "first", environment: environment)
            #expect(shown.code == 0 && shown.output.contains(#""user_id":"u_1""#), "\(shown.text)")

            try await cluster.connect("stripe", users: 1)
            #expect(try await Self.lockstep("dead", "replay", "first", environment: environment).code == 0)
            try await cluster.until("sync_log WHERE status = 'succeeded'", is: 1)
            #expect(try await Self.lockstep("dead", "replay", "first", environment: environment).code == 66)
            #expect(try await Self.lockstep("verify", environment: environment).code == 0)

            let stats = try await Self.lockstep("queue", "stats", "--json", environment: environment)
            #expect(stats.code == 0)
            #expect(try Self.rows(stats).isEmpty == false)
        }
    }
}
