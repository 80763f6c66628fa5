// SPDX-License-Identifier: Apache-2.0

import Model
import Testing

@testable import WorkerRuntime

@Suite struct `A worker's metrics` {
    private func samples(_ metrics: JobMetrics, _ name: String) -> [Metric.Sample] {
        metrics.metrics.first { $0.name == name }?.samples ?? []
    }

    @Test func `count runs by service, type and outcome, and how long they took`() {
        let metrics = JobMetrics()
        metrics.ran("stripe", .full, "succeeded", for: .milliseconds(300))
        metrics.ran("stripe", .full, "failed", for: .seconds(2))
        metrics.ran("slack", .incremental, "succeeded", for: .seconds(1))
        #expect(
            samples(metrics, "lockstep_worker_runs_total") == [
                .init(["service": "stripe", "type": "full", "outcome": "failed"], .number(1)),
                .init(["service": "slack", "type": "incremental", "outcome": "succeeded"], .number(1)),
                .init(["service": "stripe", "type": "full", "outcome": "succeeded"], .number(1)),
            ])
        guard case .histogram(let histogram)? = samples(metrics, "lockstep_worker_run_seconds").last?.reading
        else {
            Issue.record("no histogram")
            return
        }
        #expect(histogram.count == 2 && histogram.sum == 2.3)
        // Every queue has its series from the start.
        #expect(samples(metrics, "lockstep_worker_start_delay_seconds").count == 3)
    }

    @Test func `have a bounded number of series, whatever comes`() {
        let metrics = JobMetrics()
        for number in 0..<1_000 {
            metrics.deadLettered("code\(number)")
            metrics.ran("service\(number)", .full, "failed", for: .zero)
            metrics.committed(SyncCounters(), service: "service\(number)")
        }
        let codes = samples(metrics, "lockstep_worker_dead_letters_total")
        #expect(codes.count == 101)
        #expect(codes.contains(.init(["code": "other"], .number(900))))
        #expect(samples(metrics, "lockstep_worker_runs_total").count == 101)
        #expect(samples(metrics, "lockstep_worker_api_calls_total").count == 101)
        // A known one is still told apart.
        metrics.deadLettered("code7")
        #expect(
            samples(metrics, "lockstep_worker_dead_letters_total").contains(
                .init(["code": "code7"], .number(2))))
    }
}
