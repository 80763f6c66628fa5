// SPDX-License-Identifier: Apache-2.0

import Observability
import WorkerRuntime

/// A worker's answers at `/healthz`, `/readyz` and `/metrics`.
enum WorkerEndpoints {
    /// Red when it does not consume; a draining worker is healthy, as it does what it should.
    static func health(_ consumer: JobConsumer) -> HealthAnswer {
        guard let stall = consumer.stall, !consumer.isDraining else {
            return HealthAnswer(isHealthy: true, reason: "consuming, \(consumer.runningJobs) jobs")
        }
        return HealthAnswer(isHealthy: false, reason: stall)
    }

    static func readiness(_ consumer: JobConsumer) -> HealthAnswer {
        consumer.stall.map { HealthAnswer(isHealthy: false, reason: $0) }
            ?? HealthAnswer(isHealthy: true, reason: "ready")
    }

    static func metrics(_ consumer: JobConsumer, _ apiLog: APILog?) -> MetricsText {
        MetricsText(consumer.metrics + (apiLog?.metrics ?? []))
    }
}
