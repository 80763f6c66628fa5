// SPDX-License-Identifier: Apache-2.0

import DevCluster
import Foundation
import HTTPTransport
import Logging
import Testing

/// `lockstep gateway` as a process.
@Suite(.serialized) struct `A gateway` {
    @Test func `serves both sides, and ends in order when it is asked to`() async throws {
        try await Cluster.run(users: 1, objects: 1, starting: false) { cluster in
            let ports = try await cluster.processes.startGateway()
            var configuration = HTTPClientConfiguration()
            configuration.addressPolicy = .allowing(
                hosts: ["127.0.0.1:\(ports.publicPort)", "127.0.0.1:\(ports.privatePort)"])
            let http = HTTPClient(configuration: configuration, logger: Logger(label: "http"))
            for port in [ports.publicPort, ports.privatePort] {
                var status = 0
                let deadline = ContinuousClock.now + .seconds(20)
                while status != 200, ContinuousClock.now < deadline {
                    status = try await http.send(
                        HTTPRequest(method: "GET", url: "http://127.0.0.1:\(port)/readyz", headers: [])
                    ).status
                    try await Task.sleep(for: .milliseconds(20))
                }
                #expect(status == 200)
            }
            #expect(await cluster.processes.stopGateway() == .code(0))
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
