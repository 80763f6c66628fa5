// SPDX-License-Identifier: Apache-2.0

import DevCluster
import Foundation
import HTTPTransport
import Logging
import Settings
import Testing

/// `lockstep gateway` as a process.
@Suite(.serialized) struct `A gateway` {
    @Test func `serves both sides, and ends in order when it is asked to`() async throws {
        try await Cluster.run(users: 1, objects: 1, starting: false) { cluster in
            let ports = try await cluster.processes.startGateway(["LOCKSTEP_ADMIN_TOKEN": "t0ken"])
            var configuration = HTTPClientConfiguration()
            configuration.addressPolicy = .allowing(
                hosts: ["127.0.0.1:\(ports.publicPort)", "127.0.0.1:\(ports.privatePort)"])
            let http = HTTPClient(configuration: configuration, logger: Logger(label: "http"))
            for port in [ports.publicPort, ports.privatePort] {
                var status = 0
                let deadline = ContinuousClock.now + .seconds(60)
                while status != 200, ContinuousClock.now < deadline {
                    status = try await http.send(
                        HTTPRequest(method: "GET", url: "http://127.0.0.1:\(port)/readyz", headers: [])
                    ).status
                    try await Task.sleep(for: .milliseconds(20))
                }
                #expect(status == 200)
            }
            for (port, token, expected) in [
                (ports.privatePort, "t0ken", 200), (ports.privatePort, "wrong", 401),
                (ports.publicPort, "t0ken", 404),
            ] {
                let answer = try await http.send(
                    HTTPRequest(
                        method: "GET", url: "http://127.0.0.1:\(port)/api/v1/health",
                        headers: [("Authorization", "Bearer \(token)")]))
                #expect(answer.status == expected)
            }
            // A notification that nobody can have sent, and what is counted of it.
            _ = try await http.send(
                HTTPRequest(
                    method: "POST", url: "http://127.0.0.1:\(ports.publicPort)/webhooks/stripe", headers: [],
                    body: Array("{}".utf8)))
            let hidden = try await http.send(
                HTTPRequest(method: "GET", url: "http://127.0.0.1:\(ports.publicPort)/metrics", headers: []))
            #expect(hidden.status == 404)
            let metrics = try await http.send(
                HTTPRequest(method: "GET", url: "http://127.0.0.1:\(ports.privatePort)/metrics", headers: []))
            let text = String(decoding: metrics.body, as: UTF8.self)
            for line in [
                #"lockstep_gateway_webhooks_total{outcome="refused",reason="unauthorized",service="stripe"} 1"#,
                #"lockstep_gateway_request_seconds_count{method="GET",route="/api/v1/health",side="private",status="4xx"} 1"#,
                #"lockstep_gateway_connections{side="private"} "#, "lockstep_gateway_live_pages 0\n",
            ] {
                #expect(text.contains(line), "\(line) is not in \(text)")
            }
            #expect(await cluster.processes.stopGateway() == .code(0))
        }
    }

    @Test func `connects an account by a printed link, and its first sync runs at once`() async throws {
        let application = [
            "LOCKSTEP_OAUTH_GOOGLE_CALENDAR_CLIENT_ID": "lockstep",
            "LOCKSTEP_OAUTH_GOOGLE_CALENDAR_CLIENT_SECRET": "lockstep-secret",
        ]
        try await Cluster.run(workers: 1, users: 2, objects: 20, extra: application) { cluster in
            let ports = try await cluster.processes.startGateway()
            let url = "http://127.0.0.1:\(ports.publicPort)"
            let printed = try await `The command`.lockstep(
                "connect-link", "--user", "u_1", "--service", "google-calendar",
                environment: cluster.processes.environment.merging(["LOCKSTEP_PUBLIC_URL": url]) { $1 })
            #expect(printed.code == 0, "\(printed.errors)")
            let link = printed.output.trimmingCharacters(in: .newlines)
            #expect(link.hasPrefix("\(url)/connect/google-calendar?link="))

            let sandbox = try #require(cluster.settings.serviceURLs["google-calendar"])
            var configuration = HTTPClientConfiguration()
            configuration.addressPolicy = .allowing(
                hosts: ServiceAddress.hosts(of: ["gateway": url, "sandbox": sandbox]))
            let http = HTTPClient(configuration: configuration, logger: Logger(label: "http"))
            let begun = try await http.send(HTTPRequest(method: "GET", url: link, headers: []))
            let cookie = try #require(begun.headers.first("set-cookie")?.split(separator: ";").first)
            let page = try #require(begun.headers.first("location"))
            let parts = page.split(separator: "?", maxSplits: 1).map(String.init)
            let consent = try await http.send(
                HTTPRequest(
                    method: "POST", url: parts[0],
                    headers: [("Content-Type", "application/x-www-form-urlencoded")],
                    body: Array("\(parts[1])&user=u_1&decision=allow".utf8)))
            let done = try await http.send(
                HTTPRequest(
                    method: "GET", url: try #require(consent.headers.first("location")),
                    headers: [("Cookie", String(cookie))]))
            #expect(done.status == 200)
            try await cluster.until(
                "sync_log WHERE user_id = 'u_1' AND type = 'full' AND status = 'succeeded'", is: 1)
            #expect(try await cluster.differences("google-calendar", users: 1) == 0)
            let text = try String(contentsOfFile: cluster.processes.log(of: "gateway"), encoding: .utf8)
            for secret in [link.split(separator: "=").last.map(String.init) ?? link, String(cookie), "code="]
            {
                #expect(!text.contains(secret))
            }
        }
    }

    @Test func `does not start with a configuration that is wrong, and names all of it`() async throws {
        let result = try await `The command`.lockstep(
            "gateway", environment: ["PATH": "/usr/bin:/bin", "LOCKSTEP_PRIVATE_LISTEN": "8081"])
        #expect(result.code == 78)
        for name in ["DATABASE_URL", "LOCKSTEP_KEYS", "LOCKSTEP_PUBLIC_URL", "LOCKSTEP_PRIVATE_LISTEN"] {
            #expect(result.errors.contains("\(name): "), "\(name) is not named in \(result.errors)")
        }
    }
}
