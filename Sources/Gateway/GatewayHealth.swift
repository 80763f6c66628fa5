// SPDX-License-Identifier: Apache-2.0

import Model
public import ServiceLifecycle

/// Looks every few seconds whether the ledger and the dispatcher answer, so that a health question costs nothing.
public struct GatewayHealth: Service {
    /// What a check found.
    public struct Finding: Sendable, Equatable {
        /// Why the ledger cannot be used; nil when it can.
        public var ledger: String?
        /// Why Redis cannot be used; nil when it can. Requests are accepted all the same: what they ask for is in the ledger.
        public var dispatcher: String?

        /// What a check found.
        public init(ledger: String?, dispatcher: String?) {
            self.ledger = ledger
            self.dispatcher = dispatcher
        }
    }

    /// A finding that is older than this says nothing.
    private static let freshness: Duration = .seconds(15)

    private let interval: Duration
    private let check: @Sendable () async -> Finding
    private let last = LockedBox<(finding: Finding, at: ContinuousClock.Instant)?>(nil)

    /// Runs `check` at each interval.
    public init(every interval: Duration = .seconds(2), check: @escaping @Sendable () async -> Finding) {
        self.interval = interval
        self.check = check
    }

    /// Checks until graceful shutdown.
    public func run() async throws {
        do {
            try await cancelWhenGracefulShutdown {
                while true {
                    let finding = await check()
                    last.withLock { $0 = (finding, .now) }
                    try await ContinuousClock().sleep(for: interval)
                }
            }
        } catch is CancellationError {
            // The end of every run.
        }
    }

    /// `/healthz`, which is 200 while the process answers, and `/readyz`, which is 200 while it can keep what it accepts.
    var routes: [Route] {
        let last = last
        return [
            Route("GET", "/healthz") { _ in Self.text(200, "serving") },
            Route("GET", "/readyz") { _ in
                guard let (finding, at) = last.withLock({ $0 }), at.duration(to: .now) < Self.freshness
                else { return Self.text(503, "not checked yet") }
                if let problem = finding.ledger { return Self.text(503, problem) }
                return Self.text(200, finding.dispatcher.map { "ready, but \($0)" } ?? "ready")
            },
        ]
    }

    private static func text(_ status: Int, _ text: String) -> GatewayResponse {
        GatewayResponse(
            status: status, headers: [("Content-Type", "text/plain; charset=utf-8")],
            body: Array((text + "\n").utf8))
    }
}
