// SPDX-License-Identifier: Apache-2.0

/// `/_control/ledger` and `/_control/window`: which requests came, and how dense.
extension SandboxState {
    private static let filters: Set<String> = ["service", "endpoint", "method", "user", "status", "key"]

    func requests(_ request: SandboxRequest) throws(ControlRefusal) -> SandboxResponse {
        let parameters = try ControlParameters(request, allowed: Self.filters.union(["after", "limit"]))
        let entries = ledger.after(
            try parameters.integer("after") ?? 0, limit: try parameters.integer("limit") ?? 10_000,
            try filter(parameters))
        var response = Self.lines(
            entries.map { entry in entry.json(user: entry.user.map { configuration.name(ofUser: $0) }) })
        response.headers.append(("Sandbox-Forgotten", "\(ledger.dropped)"))
        return response
    }

    /// The densest window of `ms` milliseconds; with `rate`, requests per second, also the burst that the
    /// requests needed at that rate.
    func window(_ request: SandboxRequest) throws(ControlRefusal) -> SandboxResponse {
        let parameters = try ControlParameters(request, allowed: Self.filters.union(["ms", "rate"]))
        guard let milliseconds = try parameters.integer("ms", in: 0...86_400_000) else {
            throw ControlRefusal("'ms' is needed: the length of the window in milliseconds")
        }
        let rate = try parameters.text("rate").map(Self.rate)
        let times = ledger.times(try filter(parameters))
        let count = WindowCount(times: times)
        let highest = count.highest(inWindowOf: Int64(milliseconds) * 1_000)
        return SandboxResponse(
            json: """
                {"requests":\(times.count),"forgotten":\(ledger.dropped),"window_ms":\(milliseconds),\
                "highest":\(highest?.count ?? 0),"from_us":\(highest.map { "\($0.from)" } ?? "null"),\
                "burst":\(rate.map { "\(count.burst(atRate: $0))" } ?? "null")}
                """)
    }

    private static func rate(_ text: String) throws(ControlRefusal) -> Double {
        guard let rate = Double(text), rate > 0, rate <= 1_000_000 else {
            throw ControlRefusal("'rate' is a number of requests per second, above 0 and at most 1000000")
        }
        return rate
    }

    private func filter(_ parameters: ControlParameters) throws(ControlRefusal) -> LedgerFilter {
        LedgerFilter(
            service: try parameters.service(), endpoint: parameters.text("endpoint"),
            method: parameters.text("method"), user: try parameters.user(configuration),
            status: try parameters.integer("status", in: 0...599), key: parameters.text("key"))
    }
}
