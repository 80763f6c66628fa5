// SPDX-License-Identifier: Apache-2.0

import DevCluster
import Foundation
import Testing

/// `lockstep schedules` as an operator runs it.
@Suite(.serialized) struct `The command schedules` {
    private static func rows(_ result: `The command`.Result) throws -> [[String: String]] {
        let document = try JSONSerialization.jsonObject(with: Data(result.output.utf8))
        return try #require(document as? [[String: Any]]).map { $0.mapValues { "\($0)" } }
    }

    @Test func `adds, shows, changes and removes schedules`() async throws {
        try await Cluster.run(users: 1, objects: 1, starting: false) { cluster in
            let environment = cluster.processes.environment
            try await cluster.connect("stripe", users: 1)

            let added = try await `The command`.lockstep(
                "schedules", "add", "--name", "stripe-nightly", "--cron", "30 3 * * *", "--zone",
                "Europe/Berlin", "--type", "full", "--service", "stripe", "--spread", "600",
                environment: environment)
            #expect(added.code == 0, "\(added.text)")
            let own = try await `The command`.lockstep(
                "schedules", "add", "--name", "one", "--cron", "@hourly", "--type", "incremental",
                "--integration", "u_1/stripe", "--disabled", environment: environment)
            #expect(own.code == 0, "\(own.text)")
            let again = try await `The command`.lockstep(
                "schedules", "add", "--name", "one", "--cron", "@hourly", "--type", "full",
                environment: environment)
            #expect(again.code == 64 && again.errors.contains("there is a schedule 'one' already"))

            let listed = try Self.rows(
                try await `The command`.lockstep("schedules", "list", "--json", environment: environment))
            #expect(listed.map { $0["name"] } == ["incremental", "one", "stripe-nightly", "weekly-full"])
            #expect(listed[1]["enabled"] == "no" && listed[1]["integration"] == "1", "\(listed[1])")
            #expect(listed[2]["service"] == "stripe" && listed[2]["spread"] == "600", "\(listed[2])")

            let next = try Self.rows(
                try await `The command`.lockstep(
                    "schedules", "next", "stripe-nightly", "--count", "3", "--json", environment: environment)
            )
            #expect(next.count == 3)
            for row in next {
                #expect(row["local"]?.contains("T03:30:00+0") == true, "\(row)")
                #expect(row["zone"] == "Europe/Berlin")
                #expect(row["last_start"]?.hasSuffix(":40:00Z") == true, "\(row)")
            }

            let changed = try await `The command`.lockstep(
                "schedules", "set", "stripe-nightly", "--spread", "0", "--catch-up", "skip", "--disable",
                environment: environment)
            #expect(changed.code == 0, "\(changed.text)")
            #expect(
                try await cluster.count(
                    "schedules WHERE name = 'stripe-nightly' AND cron = '30 3 * * *' AND spread_seconds = 0 "
                        + "AND catch_up = 'skip' AND NOT enabled AND service = 'stripe'") == 1)
            let removed = try await `The command`.lockstep(
                "schedules", "remove", "one", environment: environment)
            #expect(removed.code == 0)
            #expect(try await cluster.count("schedules") == 3)
        }
    }

    @Test func `names what is wrong, what is allowed, and what was meant`() async throws {
        let refused: [(arguments: [String], code: Int32, part: String)] = [
            (["next", "weekly-ful"], 66, "there is no schedule 'weekly-ful', did you mean 'weekly-full'?"),
            (
                ["set", "incremental", "--cron", "61 * * * *"], 65,
                "--cron: minute: 61 is out of range; allowed: 0-59"
            ),
            (["set", "incremental", "--cron", "0 0 30 2 *"], 65, "no year has a day"),
            (["set", "incremental", "--zone", "Europe/Berln"], 65, "--zone: "),
            (
                ["set", "incremental", "--type", "incremantal"], 64,
                "did you mean 'incremental'?; allowed: full, incremental"
            ),
            (["set", "incremental", "--catch-up", "never"], 64, "allowed: skip, latest, all"),
            (["set", "incremental", "--service", "strip"], 64, "did you mean 'stripe'?"),
            (["set", "incremental", "--integration", "7777"], 66, "there is no integration '7777'"),
            (["set", "incremental", "--spread", "86401"], 64, "allowed: 0 to 86400 seconds"),
            (["add", "--name", "a b", "--cron", "@daily", "--type", "full"], 64, "--name: 'a b' is no name"),
            (["add", "--name", "x", "--type", "full"], 64, "--cron and --type are needed"),
            (["next", "incremental", "--count", "0"], 64, "allowed: 1 to 1000"),
        ]
        try await Cluster.run(users: 1, objects: 1, starting: false) { cluster in
            for (arguments, code, part) in refused {
                let result = try await `The command`.lockstep(
                    ["schedules"] + arguments, environment: cluster.processes.environment)
                #expect(result.code == code, "\(arguments): \(result.text)")
                #expect(result.errors.contains(part), "\(arguments): \(result.errors)")
                #expect(result.output.isEmpty)
            }
            #expect(try await cluster.count("schedules WHERE updated_at > created_at") == 0)
        }
    }
}
