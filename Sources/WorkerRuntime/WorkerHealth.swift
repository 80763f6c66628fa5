// SPDX-License-Identifier: Apache-2.0

public import Model

extension JobConsumer {
    private static let helps = [
        "cancelled": "Jobs that were cancelled while they ran.",
        "claimed": "Jobs claimed.", "finished": "Jobs finished.",
        "retried": "Jobs given back after a failure.",
        "snoozed": "Jobs given back without an attempt charged.",
        "dead_lettered": "Jobs sent to the dead letters.",
        "recovered": "Jobs of dead workers that this one recovered.",
        "leases_lost": "Leases lost to other workers.",
        "claim_errors": "Claims that failed.",
    ]

    /// All metrics of this process, those that are still zero included.
    public var metrics: [Metric] {
        let counters = counters
        let counted = Self.helps.sorted { $0.key < $1.key }.map { name, help in
            Metric("lockstep_worker_jobs_\(name)_total", .counter, help, counters[name] ?? 0)
        }
        return counted
            + [Metric("lockstep_worker_jobs_running", .gauge, "Jobs that run now.", runningJobs)]
            + jobMetrics.metrics
    }
}
