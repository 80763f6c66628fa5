// SPDX-License-Identifier: Apache-2.0

import DevCluster
import HTTPTransport
import Logging
import Testing

/// The endpoints of a worker or a scheduler, as an orchestrator asks them.
struct HealthWatch {
    private let client: HTTPClient
    private let origin: String

    /// `name` is that of the process, which has to be started.
    init(_ name: String, of processes: DevCluster) async throws {
        origin = "127.0.0.1:\(try await processes.port(of: name))"
        var configuration = HTTPClientConfiguration()
        configuration.addressPolicy = .allowing(hosts: [origin])
        client = HTTPClient(configuration: configuration, logger: Logger(label: "http"))
    }

    /// `/healthz` answers 503 within 15 s, and says why.
    func turnsRed(
        saying words: String = "", within limit: Duration = .seconds(15),
        _ location: SourceLocation = #_sourceLocation
    ) async throws {
        try await untilHealth(is: 503, saying: words, within: limit, location)
    }

    /// `/healthz` answers 200 within 5 s.
    func turnsGreen(
        within limit: Duration = .seconds(5), _ location: SourceLocation = #_sourceLocation
    ) async throws {
        try await untilHealth(is: 200, saying: "", within: limit, location)
    }

    /// A counter of `/metrics`.
    func counter(_ name: String) async throws -> Int {
        let lines = try await answer("metrics").body.split(separator: "\n")
        let line = lines.first { $0.hasPrefix("\(name) ") }
        return try #require(line.flatMap { $0.split(separator: " ").last }.flatMap { Int($0) })
    }

    private func untilHealth(
        is status: Int, saying words: String, within limit: Duration, _ location: SourceLocation
    ) async throws {
        let started = ContinuousClock.now
        var last = ""
        while started.duration(to: .now) < limit {
            let answer = try await answer("healthz")
            last = answer.body
            if answer.status == status, words.isEmpty || last.contains(words) { return }
            try await ContinuousClock().sleep(for: .milliseconds(50))
        }
        Issue.record("/healthz is not \(status) \(words) after \(limit): \(last)", sourceLocation: location)
    }

    private func answer(_ path: String) async throws -> (status: Int, body: String) {
        let response = try await client.send(HTTPRequest(url: "http://\(origin)/\(path)"))
        return (response.status, String(decoding: response.body, as: UTF8.self))
    }
}
