// SPDX-License-Identifier: Apache-2.0

import Model
import PostgresClient
import SyncStore

/// (c) Incremental syncs that find nothing new, end to end: the load that a real fleet has most of. Bare, and with all that a
/// worker does for a request: unsealing a credential, three limits, and the request log.
struct FleetBench {
    let environment: BenchEnvironment
    private static let integrations = 1_000
    private static let rounds = 10

    private struct Sum {
        var seconds = 0.0
        var cpuSeconds = 0.0
        var syncs = 0

        var rate: Double { Double(syncs) / seconds }
        var cpu: Double { cpuSeconds * 1e6 / Double(syncs) }
    }

    func run() async throws {
        Report.title("(c) empty incremental syncs, end to end")
        let users = (0..<Self.integrations).map { "f_\($0)" }
        let configuration = Array("{\"total\":0,\"size\":400,\"variant\":0}".utf8)
        let bare = try WorkerRig(.bare, in: environment)
        let whole = try WorkerRig(.whole, in: environment)
        let fleets = [
            (bare, try await bare.connect(users, configuration: configuration)),
            (whole, try await whole.connect(users, configuration: configuration)),
        ]
        let limit = try await twoTransactions()
        Report.line("limit: the same two transactions alone", limit, "syncs/s")

        var sums = [Sum(), Sum()]
        try await bare.running {
            try await whole.running {
                // One sync of each first: afterwards all have a cursor.
                for (rig, ids) in fleets { try await rig.sync(ids, type: .incremental, stream: "changes") }
                // By turns, so that both meet the same machine.
                for _ in 0..<Self.rounds {
                    for (index, (rig, ids)) in fleets.enumerated() {
                        let start = Usage.now()
                        try await rig.sync(ids, type: .incremental, stream: "changes")
                        let end = Usage.now()
                        sums[index].seconds += end.seconds(since: start)
                        sums[index].cpuSeconds += end.cpuSeconds - start.cpuSeconds
                        sums[index].syncs += ids.count
                    }
                }
            }
        }
        for (index, (rig, _)) in fleets.enumerated() { try await check(rig, sums[index].syncs) }
        Report.line("syncs", sums[0].rate, "syncs/s", limit: limit, target: "target 0.6 and 1,500")
        Report.line("  CPU of this process", sums[0].cpu, "µs per sync")
        Report.line(
            "with credential, limits and request log", sums[1].rate, "syncs/s", limit: sums[0].rate,
            target: "target 0.9 of the bare ones")
        Report.line("  CPU of this process", sums[1].cpu, "µs per sync")
    }

    private func check(_ rig: WorkerRig, _ syncs: Int) async throws {
        let rows = try await environment.pool.query(
            """
            SELECT count(*) FROM lockstep.sync_log
            WHERE worker = $1 AND type = 'incremental' AND status = 'succeeded'
            """, [.text(rig.care.rawValue)])
        guard rows.int(0, 0) == Int64(syncs + Self.integrations) else {
            throw BenchFailure("the log has \(rows.int(0, 0) ?? 0) runs: it does not count")
        }
    }

    /// The same two statements of an empty sync, and nothing else, on eight connections. Each has integrations of its own:
    /// two runs of one integration would overtake each other.
    private func twoTransactions() async throws -> Double {
        let (lanes, each) = (8, 1_000)
        let share = Self.integrations / lanes
        let pool = environment.pool
        let start = Usage.now()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for lane in 0..<lanes {
                group.addTask {
                    for number in 0..<each {
                        let user = "f_\(lane * share + number % share)"
                        let run = try await pool.query(
                            """
                            SELECT integration_id, fence, sync_id FROM lockstep.begin_run($1, 1, 'limit', 'incremental',
                                NULL, NULL, $2, 'bench', 'default', '10s') LIMIT 1
                            """, [.text("limit-\(lane)-\(number)"), .text(user)])
                        guard let id = run.int(0, 0), let fence = run.int(0, 1), let sync = run.int(0, 2)
                        else {
                            throw BenchFailure("begin_run gave no run")
                        }
                        _ = try await pool.query(
                            """
                            SELECT lockstep.checkpoint($1, $2, $3, '{changes}', '{""}', '{1700000000}', '{1700000000}',
                                '{NULL}', '{NULL}', '{idle}', '{1}', '{NULL}', '{1}', '{has_more_false}', '{f}',
                                '{1,1,60,0,0,0,0,0,0,0}', 'succeeded', NULL, NULL, NULL, '10s')
                            """, [.int(id), .int(fence), .int(sync)])
                    }
                }
            }
            try await group.waitForAll()
        }
        let rate = Double(lanes * each) / Usage.now().seconds(since: start)
        _ = try await pool.query("DELETE FROM lockstep.sync_log WHERE worker = 'limit'")
        _ = try await pool.query("DELETE FROM lockstep.sync_state")
        return rate
    }
}
