// SPDX-License-Identifier: Apache-2.0

import DeclarativeConnectors
import HTTPTransport
import Logging
import Model
import PageScanner
import RateLimits
import RedisClient
import TestSupport
import Testing

@testable import ConnectorKit
@testable import WorkerRuntime

@Suite struct `The memory for pages` {
    /// Far longer than any of these tests may take.
    private static let ever: Duration = .seconds(600)

    @Test func `has room for four large answers or a huge one`() async {
        let memory = PageMemory()
        for _ in 0..<4 { #expect(await memory.take(.large, within: Self.ever)) }
        #expect(await !memory.take(.large, within: .milliseconds(1)))
        #expect(await memory.take(.ordinary, within: .zero))
        for _ in 0..<4 { memory.give(.large) }
        #expect(await memory.take(.huge, within: Self.ever))
        #expect(await !memory.take(.large, within: .milliseconds(1)))
        memory.give(.huge)
        #expect(await memory.take(.large, within: Self.ever))
    }

    @Test func `serves those who wait in their order, whatever they need`() async throws {
        let memory = PageMemory()
        #expect(await memory.take(.large, within: Self.ever))
        let huge = Task { await memory.take(.huge, within: Self.ever) }
        try await RedisServer.until("the huge one waits") { memory.waitingCount == 1 }
        // There is room for it, but it does not pass the one before it.
        let large = Task { await memory.take(.large, within: Self.ever) }
        try await RedisServer.until("the large one waits") { memory.waitingCount == 2 }
        memory.give(.large)
        #expect(await huge.value)
        #expect(memory.waitingCount == 1)
        memory.give(.huge)
        #expect(await large.value)
    }

    @Test func `is not kept from others by one that gives up`() async throws {
        let memory = PageMemory()
        #expect(await memory.take(.large, within: Self.ever))
        let huge = Task { await memory.take(.huge, within: Self.ever) }
        try await RedisServer.until("the huge one waits") { memory.waitingCount == 1 }
        let large = Task { await memory.take(.large, within: Self.ever) }
        try await RedisServer.until("the large one waits") { memory.waitingCount == 2 }
        huge.cancel()
        #expect(await !huge.value)
        #expect(await large.value)
        let cancelled = Task { () async -> Bool in
            withUnsafeCurrentTask { $0?.cancel() }
            return await memory.take(.large, within: Self.ever)
        }
        #expect(await !cancelled.value)
        for _ in 0..<2 { memory.give(.large) }
        #expect(await memory.take(.huge, within: Self.ever))
    }

    private static func manifest(_ rate: String) -> String {
        """
        lockstep: 1
        service: demo
        base_url: https://api.example.com
        limits:
          own: { per: integration, \(rate) }
        streams:
          items:
            path: /items
            records: /data
            id: /id
            page: { kind: token, token: /next, parameter: after, end: missing }
        """
    }

    /// A server that answers with pages of so many bytes, what reads them, and the room that they take.
    private static func reading(
        _ sizes: [Int], status: String = "200 OK", headers: String = "", longestWait: Duration = ever,
        rate: String = "rate: 1000000/s, burst: 1000000",
        _ body: (_ reader: any PageReader, _ room: PageRoom, _ memory: PageMemory, ScriptedServer)
            async throws -> Void
    ) async throws {
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let (url, prefix) = try await RedisServer.makePrefix()
        let redis = RedisClient(configuration: try RedisConfiguration(url: url), logger: logger)
        let running = Task { try await redis.run() }
        defer { running.cancel() }
        _ = try await redis.command(["PING"], deadline: .seconds(30))
        let server = try ScriptedServer { request in
            let page = request.target.split(separator: "=").last.flatMap { Int($0) } ?? 0
            let next = page + 1 < sizes.count ? #","next":"\#(page + 1)""# : ""
            let pad = String(repeating: "x", count: 1_000)
            var text = #"{"data":[{"id":"p\#(page)"}"#
            var number = 0
            while text.utf8.count + 1_100 < sizes[page] {
                text += #",{"id":"\#(page)-\#(number)","pad":"\#(pad)"}"#
                number += 1
            }
            return [.reply(status, headers: headers, body: Array((text + "]\(next)}").utf8))]
        }
        var configuration = HTTPClientConfiguration()
        configuration.addressPolicy = .allowing(hosts: [server.origin])
        let memory = PageMemory()
        let room = PageRoom(memory, integrationID: 1, longestWait: longestWait)
        let client = LimitedClient(
            limiter: RateLimiter(redis: redis, prefix: prefix, logger: logger),
            http: HTTPClient(configuration: configuration, logger: logger),
            scope: LimitScope(service: "demo", integrationID: 1), title: "Demo",
            overrides: LimitOverrides(), holds: LimitHolds(), logger: logger, room: room)
        let strategy = try ManifestLoader.load(manifest(rate), file: "demo.yaml").strategy(
            for: "items",
            access: ProviderAccess(client: client, secrets: [:], configuration: [:], baseURL: server.url("")))
        try await body(strategy.fullSync(of: .whole, resumingAt: nil), room, memory, server)
    }

    @Test func `is asked for by a page that turns out large, and beforehand by the pages after it`()
        async throws
    {
        try await Self.reading([3 << 20, 3 << 20, 10 << 20, 9 << 19, 1_000, 9 << 19, 1_000, 1_000, 1_000]) {
            reader, room, memory, server in
            var asked = 0
            func next(_ held: PageMemory.Size, requests: Int) async throws {
                let page = try await reader.nextPage()
                #expect(page.cost.apiCalls == requests)
                #expect(room.isHeld == (held != .ordinary))
                #expect(memory.free == PageMemory.shares - held.shares)
                asked += requests
                #expect(server.log.requests.count == asked)
                room.leave()
                #expect(memory.free == PageMemory.shares)
            }
            try await next(.large, requests: 2)
            try await next(.large, requests: 1)
            try await next(.huge, requests: 2)
            try await next(.huge, requests: 1)
            // A small one may be the last of its list.
            try await next(.huge, requests: 1)
            try await next(.huge, requests: 1)
            // What is small again is known as such after two.
            try await next(.huge, requests: 1)
            try await next(.huge, requests: 1)
            try await next(.ordinary, requests: 1)
        }
    }

    @Test func `is asked for with requests that each wait for limits, all of which is told`() async throws {
        try await Self.reading([1_000, 10 << 20], rate: "rate: 1/s, burst: 1") { reader, _, _, _ in
            #expect(try await reader.nextPage().cost.apiCalls == 1)
            let page = try await reader.nextPage()
            #expect(page.cost.apiCalls == 3)
            // A second for each of them, less what the requests before took; never so much for a single one.
            #expect(page.cost.throttled > .milliseconds(1_500))
        }
    }

    @Test func `is not waited for beyond what a slot is for`() async throws {
        try await Self.reading([2 << 20], longestWait: .milliseconds(1)) { reader, room, memory, _ in
            #expect(await memory.take(.huge, within: Self.ever))
            let error = await #expect(throws: ConnectorError.self) { try await reader.nextPage() }
            #expect(error?.code == "page_memory" && error?.errorClass == .rateLimited)
            #expect(error?.retryAfter != nil && !room.isHeld)
            memory.give(.huge)
            let page = try await reader.nextPage()
            #expect(page.scanned.records.count > 1_000)
        }
    }

    @Test func `is not asked for by a refusal, whose wait counts however much it says`() async throws {
        try await Self.reading([3 << 20], status: "429 Too Many Requests", headers: "Retry-After: 40\r\n") {
            reader, room, memory, server in
            let error = await #expect(throws: ConnectorError.self) { try await reader.nextPage() }
            #expect(error?.errorClass == .rateLimited)
            #expect(error?.retryAfter == .seconds(40))
            #expect(!room.isHeld && memory.free == PageMemory.shares)
            #expect(server.log.requests.count == 1)
        }
    }

    @Test func `is not given to a page over sixteen megabytes, which is told`() async throws {
        try await Self.reading([17 << 20]) { reader, room, memory, server in
            for requests in [3, 1] {
                let before = server.log.requests.count
                let error = await #expect(throws: ConnectorError.self) { try await reader.nextPage() }
                #expect(error?.code == "body_too_large" && error?.errorClass == .contractViolation)
                #expect(error?.requests == requests)
                #expect(server.log.requests.count == before + requests)
                room.leave()
            }
            #expect(memory.free == PageMemory.shares)
        }
    }
}
