// SPDX-License-Identifier: Apache-2.0

import Logging
import NIOCore
import NIOHTTP1
import Testing

@testable import Sandbox

@Suite struct `The server` {
    @Test func `serves lists, with the sandbox's time in Date`() async throws {
        try await SandboxServer.serving { probe in
            let answer = try await probe.get("/stripe/v1/customers?limit=3", key: "sk_test_u_1")

            #expect(answer.status == 200)
            #expect(answer.headers.first(name: "Content-Type") == "application/json")
            #expect(answer.headers.first(name: "Date") == "Thu, 09 Oct 2025 08:53:20 GMT")
            #expect(answer.headers.first(name: "Request-Id") == "req_1")
            #expect(
                answer.text.hasPrefix(#"{"object":"list","url":"/v1/customers","has_more":true,"data":[{"#))
        }
    }

    @Test func `streams more objects than fit into one write`() async throws {
        try await SandboxServer.serving({ $0.objects = 5_000 }) { probe in
            let control = SandboxControlRequest.objects(user: "u_2", stream: "invoices")

            let answer = try await probe.send(control)

            #expect(answer.headers.first(name: "Sandbox-Change") == "0")
            #expect(answer.text.split(separator: "\n").count == 5_000)
            #expect(answer.text.utf8.count > 2_000_000)
        }
    }

    @Test func `takes control requests with a body`() async throws {
        try await SandboxServer.serving { probe in
            let edited = try await probe.send(.edit(user: "u_1", stream: "customers", creates: 4))
            #expect(edited.text == #"{"changes":4,"edited":4}"#)

            let objects = try await probe.send(.objects(user: "u_1", stream: "customers", at: 2))
            #expect(objects.text.split(separator: "\n").count == 27)
        }
    }

    @Test(arguments: ["reset", "truncated"])
    func `breaks an answer off`(kind: String) async throws {
        try await SandboxServer.serving { probe in
            try await probe.send(.fault(kind: kind))

            await #expect(throws: (any Error).self) {
                try await probe.get("/stripe/v1/customers", key: "sk_test_u_1")
            }
            #expect(try await probe.get("/stripe/v1/customers", key: "sk_test_u_1").status == 200)
        }
    }

    @Test func `hangs without stopping others, or its own end`() async throws {
        try await SandboxServer.serving { probe in
            try await probe.send(.fault(kind: "hang", user: "u_1"))

            await #expect(throws: HTTPProbe.Failure.timeout) {
                try await probe.get("/stripe/v1/customers", key: "sk_test_u_1", within: .milliseconds(200))
            }
            #expect(try await probe.get("/stripe/v1/customers", key: "sk_test_u_2").status == 200)
        }
    }

    @Test func `answers late`() async throws {
        try await SandboxServer.serving { probe in
            try await probe.send(.fault(kind: "slow", milliseconds: 300))
            let clock = ContinuousClock()

            let begin = clock.now
            #expect(try await probe.get("/stripe/v1/customers", key: "sk_test_u_1").status == 200)

            #expect(clock.now - begin >= .milliseconds(300))
        }
    }

    @Test func `edits by itself while it runs`() async throws {
        try await SandboxServer.serving({ $0.editsPerSecond = 500 }) { probe in
            let deadline = ContinuousClock.now + .seconds(20)
            while ContinuousClock.now < deadline {
                let stats = try await probe.send(.stats).text
                if !stats.contains(#""changes":0,"#) { return }
                await Task.yield()
            }
            Issue.record("no edit was made")
        }
    }

    @Test func `says that it cannot listen, to all who wait`() async throws {
        try await SandboxServer.serving { probe in
            var configuration = SandboxConfiguration()
            configuration.port = probe.port
            let second = SandboxServer(configuration: configuration, logger: Logger(label: "second"))
            let waiting = Task { () async throws(SandboxError) in try await second.waitForPort() }

            await #expect { try await second.run() } throws: { ($0 as? SandboxError)?.code == .cannotListen }
            await #expect { try await waiting.value } throws: { ($0 as? SandboxError)?.code == .stopped }
        }
    }
}
