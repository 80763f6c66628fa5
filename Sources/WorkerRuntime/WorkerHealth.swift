// SPDX-License-Identifier: Apache-2.0

/// The numbers of a worker, for a metrics endpoint.
public struct WorkerMetric: Sendable {
    /// The name that Prometheus sees.
    public let name: String
    /// One line that says what is counted.
    public let help: String
    /// Whether it only grows; else it is a gauge.
    public let isCounter: Bool
    /// The value now.
    public let value: Int
}

extension JobConsumer {
    private static let helps = [
        "claimed": "Jobs claimed.", "finished": "Jobs finished.",
        "retried": "Jobs given back after a failure.",
        "snoozed": "Jobs given back without an attempt charged.",
        "dead_lettered": "Jobs sent to the dead letters.",
        "recovered": "Jobs of dead workers that this one recovered.",
        "leases_lost": "Leases lost to other workers.",
        "claim_errors": "Claims that failed.",
    ]

    /// All metrics, those that are still zero included.
    public var metrics: [WorkerMetric] {
        let counters = counters
        let counted = Self.helps.sorted { $0.key < $1.key }.map { name, help in
            WorkerMetric(
                name: "lockstep_worker_jobs_\(name)_total", help: help, isCounter: true,
                value: counters[name] ?? 0)
        }
        return counted + [
            WorkerMetric(
                name: "lockstep_worker_jobs_running", help: "Jobs that run now.", isCounter: false,
                value: runningJobs)
        ]
    }
}
