// SPDX-License-Identifier: Apache-2.0

public import JobQueue
public import Logging
public import Model
public import SyncStore

/// Reads what concerns the whole cluster, for the metrics of a scheduler: else each of N workers would report it N times.
///
/// It asks the servers when somebody asks it, and not more often than every few seconds. What a server does not tell is left
/// out, and counted.
public actor ClusterSampler {
    private let queue: JobQueue
    private let freshness: @Sendable () async throws -> [ServiceFreshness]
    private let logger: Logger
    private var sample: (metrics: [Metric], readAt: ContinuousClock.Instant)?
    private var errors = ["postgres": 0, "redis": 0]

    /// Somebody who asks again sooner gets the same answer.
    static let lifetime: Duration = .seconds(2)

    /// `freshness` reads how long ago a run of each service succeeded.
    public init(
        queue: JobQueue, logger: Logger,
        freshness: @escaping @Sendable () async throws -> [ServiceFreshness]
    ) {
        self.queue = queue
        self.logger = logger
        self.freshness = freshness
    }

    /// The metrics, at most a few seconds old.
    public func metrics() async -> [Metric] {
        if let sample, ContinuousClock.now - sample.readAt < Self.lifetime { return sample.metrics }
        let readAt = ContinuousClock.now
        var metrics: [Metric] = []
        do {
            metrics += Self.metrics(try await queue.statistics())
        } catch {
            note("redis", error)
        }
        do {
            metrics.append(Self.metric(try await freshness()))
        } catch {
            note("postgres", error)
        }
        metrics.append(
            Metric(
                "lockstep_scheduler_sample_errors_total", .counter,
                "Readings for these metrics that a server did not answer.",
                errors.sorted { $0.key < $1.key }.map {
                    .init(["server": $0.key], .number(Double($0.value)))
                }))
        sample = (metrics, readAt)
        return metrics
    }

    private func note(_ server: String, _ error: any Error) {
        errors[server, default: 0] += 1
        logger.warning("metrics are incomplete", metadata: ["server": "\(server)", "error": "\(error)"])
    }

    static func metric(_ services: [ServiceFreshness]) -> Metric {
        Metric(
            "lockstep_service_last_success_age_seconds", .gauge,
            "Time since a run of the service last succeeded; absent when none did.",
            services.compactMap { service in
                service.age.map {
                    .init(["service": service.service], .number(Double($0.wholeMilliseconds) / 1_000))
                }
            })
    }

    static func metrics(_ statistics: QueueStatistics) -> [Metric] {
        func byQueue(_ name: String, _ help: String, _ value: (Queue) -> Double?) -> Metric {
            Metric(
                name, .gauge, help,
                Queue.allCases.compactMap { queue in
                    value(queue).map { .init(["queue": queue.rawValue], .number($0)) }
                })
        }
        func one(_ name: String, _ help: String, _ value: Int?) -> [Metric] {
            value.map { [Metric(name, .gauge, help, $0)] } ?? []
        }
        return [
            byQueue(
                "lockstep_backlog_jobs",
                "Jobs that one more worker would find: ready ones and those that are due."
            ) { queue in statistics.ready[queue].map { _ in Double(statistics.backlog(of: queue)) } },
            byQueue("lockstep_queue_ready_jobs", "Ready jobs.") { statistics.ready[$0].map(Double.init) },
            byQueue(
                "lockstep_queue_oldest_ready_seconds",
                "How long the oldest ready job that was found at a low price has waited; 0 without one."
            ) { Double((statistics.oldestWait[$0] ?? .zero).wholeMilliseconds) / 1_000 },
            Metric(
                "lockstep_queue_parked_jobs", .gauge, "Parked jobs, by what they wait for.",
                ParkReason.allCases.compactMap { reason in
                    statistics.parkedFor[reason].map {
                        .init(["reason": reason.rawValue], .number(Double($0)))
                    }
                }),
        ]
            + one("lockstep_queue_delayed_jobs", "Jobs that become ready later.", statistics.delayed)
            + one("lockstep_queue_in_flight_jobs", "Jobs that workers hold.", statistics.inFlight)
            + one("lockstep_dead_letters", "Dead letters.", statistics.dead)
            + one(
                "lockstep_workers", "Workers that gave a sign of life within half a minute.",
                statistics.livingWorkers)
            + [
                Metric(
                    "lockstep_queue_jobs_total", .counter,
                    "What happened to jobs since the counters of Redis began.",
                    statistics.counters.sorted { $0.key < $1.key }.map {
                        .init(["event": $0.key], .number(Double($0.value)))
                    })
            ]
    }
}
