// SPDX-License-Identifier: Apache-2.0

public import Model

/// What a worker measures of its jobs. One lock for a few numbers a job, which nobody holds for longer than an addition.
public final class JobMetrics: Sendable {
    private struct RunKind: Hashable {
        let service: String
        let type: String
    }

    private struct RunEnd: Hashable {
        let kind: RunKind
        let outcome: String
    }

    private struct State {
        var waits: [Queue: Histogram] = [:]
        var services: Set<String> = []
        var runs: [RunKind: Histogram] = [:]
        var ends: [RunEnd: Int] = [:]
        var letters: [String: Int] = [:]
        var apiCalls: [String: Int64] = [:]
        var throttled: [String: Int64] = [:]
    }

    private let box = LockedBox(State())

    /// A service or a code beyond so many is counted as `other`: each is a time series.
    static let labelLimit = 100

    /// Nothing measured yet.
    public init() {}

    /// A job was taken for the first time, this long after it was ready.
    func started(after wait: Duration, in queue: Queue) {
        box.withLock { $0.waits[queue, default: Histogram()].observe(wait) }
    }

    /// A run ended.
    func ran(_ service: String, _ type: JobType, _ outcome: String, for duration: Duration) {
        box.withLock { state in
            let service = Self.label(service, state.services)
            state.services.insert(service)
            let kind = RunKind(service: service, type: type.rawValue)
            state.runs[kind, default: Histogram()].observe(duration)
            state.ends[RunEnd(kind: kind, outcome: outcome), default: 0] += 1
        }
    }

    /// A job became a dead letter.
    func deadLettered(_ code: String) {
        box.withLock { $0.letters[Self.label(code, $0.letters), default: 0] += 1 }
    }

    /// A checkpoint was committed that counted this.
    public func committed(_ counters: SyncCounters, service: String) {
        box.withLock { state in
            let service = Self.label(service, state.apiCalls)
            state.apiCalls[service, default: 0] += counters.apiCalls
            state.throttled[service, default: 0] += counters.throttledMilliseconds
        }
    }

    private static func label(_ name: String, _ known: Set<String>) -> String {
        known.count < labelLimit || known.contains(name) ? name : "other"
    }

    private static func label(_ name: String, _ known: [String: some Any]) -> String {
        known.count < labelLimit || known[name] != nil ? name : "other"
    }

    /// All of it, for an endpoint.
    public var metrics: [Metric] {
        let state = box.withLock { $0 }
        return [
            Metric(
                "lockstep_worker_start_delay_seconds", .histogram,
                "From ready to the first start of a job; jobs that were parked or given back do not count.",
                Queue.allCases.map {
                    .init(["queue": $0.rawValue], .histogram(state.waits[$0] ?? Histogram()))
                }),
            Metric(
                "lockstep_worker_run_seconds", .histogram, "How long runs took.",
                Self.sorted(state.runs) { kind, histogram in
                    .init(["service": kind.service, "type": kind.type], .histogram(histogram))
                }),
            Metric(
                "lockstep_worker_runs_total", .counter, "Runs that ended, by outcome.",
                Self.sorted(state.ends) { end, count in
                    .init(
                        ["service": end.kind.service, "type": end.kind.type, "outcome": end.outcome],
                        .number(Double(count)))
                }),
            Metric(
                "lockstep_worker_dead_letters_total", .counter, "Jobs sent to the dead letters, by code.",
                Self.sorted(state.letters) { .init(["code": $0], .number(Double($1))) }),
            Metric(
                "lockstep_worker_api_calls_total", .counter, "Requests to providers, as committed.",
                Self.sorted(state.apiCalls) { .init(["service": $0], .number(Double($1))) }),
            Metric(
                "lockstep_worker_throttled_seconds_total", .counter,
                "Time that runs waited because a limit said so, as committed.",
                Self.sorted(state.throttled) { .init(["service": $0], .number(Double($1) / 1_000)) }),
        ]
    }

    private static func sorted<Key, Value>(
        _ values: [Key: Value], _ sample: (Key, Value) -> Metric.Sample
    ) -> [Metric.Sample] {
        func text(_ sample: Metric.Sample) -> String {
            sample.labels.sorted { $0.key < $1.key }.map(\.value).joined(separator: "\u{1F}")
        }
        return values.map { sample($0.key, $0.value) }.sorted { text($0) < text($1) }
    }
}
