// SPDX-License-Identifier: Apache-2.0

import HTTPTransport
import Logging
import ServiceLifecycle
import TestSupport
import Testing

@Suite struct `Connections` {
    @Test func `serve one request after the other`() async throws {
        let server = try ScriptedServer { _ in [.reply()] }
        let client = makeClient(for: server)

        for _ in 0..<50 { _ = try await client.send(HTTPRequest(url: server.url())) }

        #expect(server.log.accepted == 1)
        #expect(server.log.requests.count == 50)
    }

    @Test func `are shared by 200 requests at once, up to the limit for a host`() async throws {
        let server = try ScriptedServer { request in [.reply(body: Array(request.target.utf8))] }
        let client = makeClient(for: server) { $0.maxConnectionsPerHost = 10 }
        let url = server.url()

        for _ in 0..<3 {
            let replies = try await withThrowingTaskGroup(of: (Int, String).self) { group in
                for number in 0..<200 {
                    group.addTask {
                        (number, try await client.send(HTTPRequest(url: "\(url)\(number)")).text)
                    }
                }
                return try await group.reduce(into: [Int: String]()) { $0[$1.0] = $1.1 }
            }
            #expect(replies.count == 200)
            #expect(replies.allSatisfy { "/\($0)" == $1 })
        }

        #expect(server.log.requests.count == 600)
        #expect(server.log.accepted <= 10)
    }

    @Test func `that died while idle are replaced for requests that may be repeated`() async throws {
        let server = try ScriptedServer { $0.index == 0 ? [.reply()] : [.close] }
        let client = makeClient(for: server)

        for _ in 0..<3 { #expect(try await client.send(HTTPRequest(url: server.url())).status == 200) }

        // The second and third request each met a dead connection first.
        #expect(server.log.accepted == 3)
        #expect(server.log.requests.count == 5)
    }

    @Test func `never make a request twice that must not be repeated`() async throws {
        let server = try ScriptedServer { request in
            request.method == "POST" || request.index > 0 ? [.close] : [.reply()]
        }
        let client = makeClient(for: server)
        _ = try await client.send(HTTPRequest(url: server.url()))

        let error = await failure(
            of: .form(url: server.url("/token"), fields: [(name: "refresh_token", value: "x")]), with: client)

        #expect(error?.code == .reset)
        #expect(error?.requestWasSent == true)
        #expect(server.log.requests.filter { $0.method == "POST" }.count == 1)
    }

    @Test func `are shared by POST requests that only read`() async throws {
        let server = try ScriptedServer { _ in [.reply()] }
        let client = makeClient(for: server)
        var request = HTTPRequest(method: "POST", url: server.url("/graphql"), body: Array("{}".utf8))
        request.isRepeatable = true

        for _ in 0..<5 { _ = try await client.send(request) }

        #expect(server.log.accepted == 1)
    }

    @Test func `are closed at once when the task is cancelled`() async throws {
        let server = try ScriptedServer { _ in [.hang] }
        let client = makeClient(for: server)
        let request = HTTPRequest(url: server.url())
        let task = Task { await failure(of: request, with: client) }
        try await eventually("the request did not start") { server.log.requests.count == 1 }

        let start = ContinuousClock.now
        task.cancel()

        #expect(await task.value?.code == .cancelled)
        #expect(ContinuousClock.now - start < .seconds(5))
        try await eventually("the connection was kept") { server.log.ended == 1 }
    }

    @Test func `are not made for a task that is cancelled already`() async throws {
        let server = try ScriptedServer { _ in [.reply()] }
        let client = makeClient(for: server)
        let request = HTTPRequest(url: server.url())

        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return await failure(of: request, with: client)
        }

        #expect(await task.value?.code == .cancelled)
    }

    @Test func `are closed when the service shuts down, and their requests end`() async throws {
        let server = try ScriptedServer { $0.target == "/quick" ? [.reply()] : [.hang] }
        let client = makeClient(for: server)
        let (quick, slow) = (HTTPRequest(url: server.url("/quick")), HTTPRequest(url: server.url("/slow")))
        _ = try await client.send(quick)
        let waiting = Task { await failure(of: slow, with: client) }
        try await eventually("the request did not start") { server.log.requests.count == 2 }
        let group = ServiceGroup(
            services: [client], logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let running = Task { try await group.run() }

        await group.triggerGracefulShutdown()

        try await running.value
        #expect(await waiting.value?.code == .closed)
        #expect(await failure(of: quick, with: client)?.code == .closed)
        try await eventually("a connection was kept") { server.log.ended == server.log.accepted }
    }

    @Test func `are closed when nobody holds the client any more`() async throws {
        let server = try ScriptedServer { _ in [.reply()] }

        _ = try await makeClient(for: server).send(HTTPRequest(url: server.url()))

        try await eventually("the connection was kept") { server.log.ended == 1 }
    }

    @Test func `survive many cancellations at random moments`() async throws {
        let server = try ScriptedServer { _ in [.reply()] }
        let client = makeClient(for: server)
        let request = HTTPRequest(url: server.url())

        await withTaskGroup(of: Void.self) { group in
            for number in 0..<300 {
                let task = Task { try await client.send(request) }
                group.addTask {
                    for _ in 0..<(number % 50) { await Task.yield() }
                    task.cancel()
                    _ = await task.result
                }
            }
        }

        #expect(try await client.send(request).status == 200)
    }
}
