// SPDX-License-Identifier: Apache-2.0

import DevCluster
import Foundation
import JobQueue
import Model
import PostgresClient
import Testing

/// Random creations, changes and deletions at each provider while full and incremental syncs run and requests fail.
/// EDITS=10000 is the long form; a few hundred otherwise. SEED= repeats a run.
@Suite(.serialized) struct `A copy of a provider that changes and fails` {
    private static let variables = ProcessInfo.processInfo.environment
    private static let edits = variables["EDITS"].flatMap { Int($0) } ?? 300
    private static let seed = variables["SEED"].flatMap { UInt64($0) } ?? UInt64.random(in: 0...999_999)
    private static let round = edits > 1_000 ? 200 : 50
    private static let users = 2

    private struct Dice: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var mixed = state
            mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
            mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
            return mixed ^ (mixed >> 31)
        }
    }

    /// What providers do on a bad day. A page that names itself ends a run as a loop, with a dead letter; the next job goes on.
    private static let faults = [
        "kind=status&status=500", "kind=status&status=503&retry_after=1",
        "kind=status&status=429&retry_after=1",
        "kind=reset", "kind=truncated", "kind=html", "kind=slow&milliseconds=300", "kind=empty_next",
        "kind=stale_page", "kind=repeated_token",
    ]

    /// The documented limits would make minutes of waiting out of a test about something else.
    private static let limits = [
        "slack.tier2=1000/s burst 1000", "slack.tier3=1000/s burst 1000", "gmail.user=100000/s burst 100000",
        "gmail.project=100000/s burst 100000", "google-calendar.user=1000/s burst 1000",
    ].joined(separator: ",")

    @Test(arguments: ["stripe", "google-calendar", "slack", "gmail"])
    func `is the same as the provider when the faults end`(service: String) async throws {
        print("seed \(Self.seed), \(Self.edits) edits of \(service)")
        try await Cluster.run(
            workers: 2, users: Self.users, objects: 200, extra: ["LOCKSTEP_LIMITS": Self.limits]
        ) { cluster in
            var dice = Dice(state: Self.seed)
            try await cluster.connect(service, users: Self.users)
            try await Self.sync(cluster, service, "full")
            var edited = 0
            while edited < Self.edits {
                let runs = try await cluster.count("sync_log")
                let fault = Self.faults.randomElement(using: &dice) ?? ""
                _ = try await cluster.control(
                    "faults?service=\(service)&times=\(Int.random(in: 1...3, using: &dice))"
                        + "&skip=\(Int.random(in: 0...10, using: &dice))&\(fault)")
                let isFull = (edited / Self.round) % 4 == 3
                try await Self.sync(cluster, service, isFull ? "full" : "incremental")
                let count = min(Self.round, Self.edits - edited)
                _ = try await cluster.control(
                    "edit?random=\(count)&service=\(service)&seed=\(dice.next() % 1_000_000)")
                edited += count
                // Edits come while runs begin, go on and end. A job that met one of its kind on the way is dropped, so that it
                // is asked for again.
                let deadline = ContinuousClock.now.advanced(by: .seconds(660))
                while try await cluster.count("sync_log") <= runs, ContinuousClock.now < deadline {
                    try await ContinuousClock().sleep(for: .milliseconds(200))
                    try await Self.sync(cluster, service, isFull ? "full" : "incremental")
                }
            }
            _ = try await cluster.control("faults", method: "DELETE")
            if Self.tellsAll.contains(service) {
                try await Self.finish(cluster, service, "incremental")
                try await Self.approve(cluster)
                try await Self.verify(cluster, "after an incremental sync")
            }
            // A sweep that would delete too much waits for a second one that agrees.
            for last in ["a", "b"] { try await Self.finish(cluster, service, last) }
            let verified = try await Self.verify(cluster, "after full syncs")
            let ledger = String(
                decoding: try await cluster.control("ledger?limit=200000", method: "GET"), as: UTF8.self)
            let met = ledger.split(separator: "\n").count { $0.contains("\"fault\":\"") }
            #expect(met > 0)
            let changes = try await cluster.pool.query(
                "SELECT sum(records_updated)::bigint, sum(records_deleted)::bigint FROM lockstep.sync_log")
            let failed = try await cluster.count("sync_log WHERE status <> 'succeeded'")
            print(
                "\(service): \(try await cluster.count("sync_log")) runs, \(failed) of them failed or waited, \(met) faults, "
                    + "\(changes.int(0, 0) ?? 0) updates, \(changes.int(0, 1) ?? 0) deletions, "
                    + (verified.split(separator: "\n").last ?? "no answer of verify"))
            #expect(changes.int(0, 0) ?? 0 > 0 && changes.int(0, 1) ?? 0 > 0)
        }
    }

    /// The third way in which changes come: a gateway takes notifications, each twice and out of order, while syncs run.
    @Test(arguments: ["stripe", "google-calendar", "slack", "gmail"])
    func `is the same when notifications come beside the syncs`(service: String) async throws {
        print("seed \(Self.seed), \(Self.edits) edits of \(service) with notifications")
        try await WebhookCluster.run(objects: 200) { hooks in
            let cluster = hooks.cluster
            var dice = Dice(state: Self.seed)
            try await hooks.startGateway()
            try await Self.connect(hooks, service)
            var edited = 0
            while edited < Self.edits {
                _ = try await cluster.control(
                    "faults?service=\(service)&times=\(Int.random(in: 1...3, using: &dice))"
                        + "&skip=\(Int.random(in: 0...10, using: &dice))&\(Self.faults.randomElement(using: &dice) ?? "")"
                )
                let count = min(Self.round, Self.edits - edited)
                _ = try await cluster.control(
                    "edit?random=\(count)&service=\(service)&seed=\(dice.next() % 1_000_000)")
                edited += count
                try await Self.sync(cluster, service, "incremental", users: 1)
                // The next edits meet notifications of these that are on their way.
                let seen = try await cluster.count("webhook_events")
                try await cluster.until("webhook_events", atLeast: seen + 1, within: .seconds(120))
            }
            _ = try await cluster.control("faults", method: "DELETE")
            try await hooks.settled(within: .seconds(900))
            try await Self.finish(cluster, service, "incremental", users: 1)
            try await Self.approve(cluster)
            #expect(try await hooks.verify() == nil, "seed \(Self.seed), before a full sync")
            for last in ["a", "b"] { try await Self.finish(cluster, service, last, users: 1) }

            #expect(try await hooks.verify() == nil, "seed \(Self.seed)")
            let done = try await cluster.count("webhook_events WHERE status = 'done'")
            let states = try await hooks.states()
            #expect(done > 0, "\(states)")
            #expect(try await cluster.count("sync_log WHERE type = 'webhook' AND status = 'succeeded'") > 0)
            print("\(service): \(done) notifications done, 0 differences")
        }
    }

    /// Connects a user whose account notifies, and reads it whole.
    private static func connect(_ hooks: WebhookCluster, _ service: String) async throws {
        switch service {
        case "stripe":
            let id = try await hooks.connect("stripe")
            try await hooks.subscribe("stripe", path: "stripe/\(id)", secret: "whsec_new")
        case "slack":
            try await hooks.connect("slack")
            try await hooks.subscribe("slack", path: "slack", secret: WebhookCluster.slackSecret)
        case "gmail":
            try await hooks.connect(
                "gmail",
                config: #"{"pubsub_topic":"projects/p/topics/gmail","webhook_account":"u_1@example.com"}"#)
            try await hooks.subscribe("gmail", path: "gmail", secret: WebhookCluster.pusher)
        default: try await hooks.connect(service)
        }
        try await hooks.sync(service)
        if service == "slack" {
            // Its events name the workspace.
            _ = try await hooks.cluster.pool.query(
                """
                UPDATE lockstep.integrations SET config = (
                    SELECT jsonb_build_object('webhook_account', data->>'context_team_id') FROM lockstep.records
                    WHERE stream = 'channels' LIMIT 1)
                """)
        }
        guard ["gmail", "google-calendar"].contains(service) else { return }
        try await hooks.cluster.until("webhook_channels WHERE status = 'active'", atLeast: 1)
    }

    private static func sync(
        _ cluster: Cluster, _ service: String, _ type: String, users: Int = users
    ) async throws {
        for user in 1...users {
            try await cluster.push(
                "{\"user_id\":\"u_\(user)\",\"service\":\"\(service)\",\"type\":\"\(type)\"}")
        }
    }

    /// The services whose incremental syncs alone see every change and deletion. Slack's see no later edit of a message.
    private static let tellsAll = ["stripe", "google-calendar", "gmail"]

    /// Every object compared; what the command said.
    @discardableResult
    private static func verify(_ cluster: Cluster, _ moment: String) async throws -> String {
        let verified = try await `The command`.lockstep(
            ["verify"], environment: cluster.processes.environment)
        #expect(verified.code == 0, "seed \(seed), \(moment): \(verified.output)\(verified.errors)")
        return verified.output
    }

    /// Approves every sweep that waits for a person: so many random edits delete more than the guard lets pass unasked, and no
    /// incremental sync tells again what a full one saw.
    private static func approve(_ cluster: Cluster) async throws {
        let held = try await cluster.pool.query(
            "SELECT id::text FROM lockstep.sweeps WHERE status = 'held'")
        for row in 0..<held.count {
            let approved = try await `The command`.lockstep(
                ["sweep", "approve", held.text(row, 0) ?? ""], environment: cluster.processes.environment)
            #expect(approved.code == 0, "seed \(seed): \(approved.output)\(approved.errors)")
        }
    }

    /// A sync of everybody that begins when nothing else is left to do: an incremental one by that name, else a full one.
    private static func finish(
        _ cluster: Cluster, _ service: String, _ name: String, users: Int = users
    ) async throws {
        let type = name == "incremental" ? name : "full"
        // A job that failed some times waits for minutes, and what is asked for meanwhile is one with it.
        let deadline = ContinuousClock.now.advanced(by: .seconds(660))
        while ContinuousClock.now < deadline {
            let statistics = try await cluster.queue.statistics()
            let left = [statistics.delayed, statistics.inFlight, statistics.parked].map { $0 ?? 0 }.reduce(
                0, +)
            if left + statistics.ready.values.reduce(0, +) == 0 { break }
            try await ContinuousClock().sleep(for: .milliseconds(50))
        }
        for user in 1...users {
            try await cluster.push(
                "{\"id\":\"last-\(name)-\(user)\",\"user_id\":\"u_\(user)\",\"service\":\"\(service)\",\"type\":\"\(type)\"}"
            )
        }
        try await cluster.until(
            "sync_log WHERE job_id LIKE 'last-\(name)-%' AND status = 'succeeded'", is: Int64(users),
            within: .seconds(300))
    }
}
