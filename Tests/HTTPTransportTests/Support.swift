// SPDX-License-Identifier: Apache-2.0

import HTTPTransport
import Logging
import TestSupport
import Testing

/// A client that may talk to the given servers, and to nothing else that is not public.
func makeClient(
    for servers: ScriptedServer..., change: (inout HTTPClientConfiguration) -> Void = { _ in }
) -> HTTPClient {
    var configuration = HTTPClientConfiguration()
    configuration.addressPolicy = .allowing(hosts: Set(servers.map(\.origin)))
    change(&configuration)
    return HTTPClient(
        configuration: configuration, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
}

/// The failure of a request that is expected to fail.
func failure(
    of request: HTTPRequest, with client: HTTPClient, _ location: SourceLocation = #_sourceLocation
) async -> HTTPError? {
    do {
        let response = try await client.send(request)
        Issue.record("the request succeeded with \(response)", sourceLocation: location)
        return nil
    } catch {
        return error
    }
}

/// Returns as soon as the condition holds; records an issue when it does not within a minute.
func eventually(
    _ what: Comment, _ location: SourceLocation = #_sourceLocation, _ condition: () -> Bool
) async throws {
    let limit = ContinuousClock.now.advanced(by: .seconds(60))
    while !condition() {
        guard ContinuousClock.now < limit else {
            Issue.record(what, sourceLocation: location)
            return
        }
        try await Task.sleep(for: .milliseconds(1))
    }
}

extension HTTPResponse {
    var text: String { String(decoding: body, as: UTF8.self) }
}
