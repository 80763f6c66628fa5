// SPDX-License-Identifier: Apache-2.0

import DevCluster
import Foundation
import Logging
import Observability

// Usage: lockstep-bench [a] [b] [c] [d] [e] [f] [g] [h] [cron] [--records N] [--integrations N] [--jobs N] [--accounts N]. Prints each figure beside the limit measured in the same run.

LineLogHandler.bootstrap(format: .text, level: .error)
var parts: Set<String> = []
var records = 1_000_000
var integrations = 1_000_000
var jobs = 1_000_000
var accounts = 100_000
var arguments = Array(CommandLine.arguments.dropFirst())
while !arguments.isEmpty {
    let argument = arguments.removeFirst()
    switch argument {
    case "a", "b", "c", "d", "e", "f", "g", "h", "cron": parts.insert(argument)
    case "--records":
        guard let text = arguments.first, let number = Int(text), number >= 5_000, number % 5_000 == 0 else {
            print("--records: a multiple of 5,000")
            exit(64)
        }
        arguments.removeFirst()
        records = number
    case "--integrations":
        guard let text = arguments.first, let number = Int(text), number >= 1_000, number % 1_000 == 0 else {
            print("--integrations: a multiple of 1,000")
            exit(64)
        }
        arguments.removeFirst()
        integrations = number
    case "--jobs":
        guard let text = arguments.first, let number = Int(text), number >= 100_000, number % 1_000 == 0
        else {
            print("--jobs: a multiple of 1,000, at least 100,000")
            exit(64)
        }
        arguments.removeFirst()
        jobs = number
    case "--accounts":
        guard let text = arguments.first, let number = Int(text), number >= 10_000, number % 1_000 == 0 else {
            print("--accounts: a multiple of 1,000, at least 10,000")
            exit(64)
        }
        arguments.removeFirst()
        accounts = number
    default:
        print(
            "unknown argument '\(argument)'; usage: lockstep-bench [a] [b] [c] [d] [e] [f] [g] [h] [cron] [--records N] "
                + "[--integrations N] [--jobs N] [--accounts N]"
        )
        exit(64)
    }
}
if parts.isEmpty { parts = ["a", "b", "c", "d", "e", "f", "g", "h", "cron"] }

if parts.contains("cron") {
    do { try CronBench.run() } catch {
        print("benchmark failed: \(error)")
        exit(1)
    }
}
if parts == ["cron"] { exit(0) }

let environment = try await BenchEnvironment.start()
do {
    if parts.contains("a") { try await QueueBench(url: environment.cluster.servers.redisURL).run() }
    if parts.contains("b") { try await SyncBench(environment: environment, records: records).run() }
    if parts.contains("c") { try await FleetBench(environment: environment).run() }
    if parts.contains("d") {
        try await SlotBench(environment: environment, integrations: integrations).run()
    }
    if parts.contains("e") { try await LimitBench(url: environment.cluster.servers.redisURL).run() }
    if parts.contains("f") {
        try await BacklogBench(url: environment.cluster.servers.redisURL, jobs: jobs).run()
    }
    if parts.contains("g") { try await PageBench(environment: environment, integrations: accounts).run() }
    if parts.contains("h") { try await WebhookBench(environment: environment).run() }
} catch {
    print("benchmark failed: \(error)")
    await environment.stop()
    exit(1)
}
await environment.stop()
