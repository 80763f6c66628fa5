// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing

@testable import RedisClient

private typealias Pipeline = CommandPipeline<String>

@Suite struct `The command pipeline` {
    private func pipeline(commands: Int = 10, bytes: Int = 10_000) -> Pipeline {
        Pipeline(limits: .init(commands: commands, bytes: bytes), stallTimeout: .seconds(5))
    }

    private func second(_ number: Int64) -> NIODeadline { .uptimeNanoseconds(0) + .seconds(number) }

    private func reply(_ pipeline: inout Pipeline, at time: Int64 = 1) -> String? {
        var waiter: String?
        return pipeline.reply(now: second(time), waiter: &waiter) ? waiter ?? "gone" : nil
    }

    @Test func `replies go to the commands in their order`() {
        var pipeline = pipeline()
        for name in ["a", "b", "c"] {
            #expect(pipeline.submit(EncodedCommand(["PING"]), deadline: second(9), waiter: name) != nil)
        }

        #expect(pipeline.takeUnsent(now: second(0))?.readableBytes == 42)
        #expect([reply(&pipeline), reply(&pipeline), reply(&pipeline)] == ["a", "b", "c"])
        #expect(reply(&pipeline) == nil)
        #expect(pipeline.isEmpty)
    }

    @Test func `a command given up before it was sent is not sent`() {
        var pipeline = pipeline()
        _ = pipeline.submit(EncodedCommand(["PING"]), deadline: second(9), waiter: "a")
        let number = pipeline.submit(EncodedCommand(["GET", "b"]), deadline: second(9), waiter: "b") ?? 0
        _ = pipeline.submit(EncodedCommand(["PING"]), deadline: second(9), waiter: "c")

        #expect(pipeline.abandon(number) == "b")
        #expect(pipeline.abandon(number) == nil)
        let batch = pipeline.takeUnsent(now: second(0))

        #expect(batch.map { String(buffer: $0) } == "*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nPING\r\n")
        #expect([reply(&pipeline), reply(&pipeline)] == ["a", "c"])
    }

    @Test func `a command given up after it was sent keeps its place`() {
        var pipeline = pipeline()
        let number = pipeline.submit(EncodedCommand(["PING"]), deadline: second(9), waiter: "a") ?? 0
        _ = pipeline.submit(EncodedCommand(["PING"]), deadline: second(9), waiter: "b")
        _ = pipeline.takeUnsent(now: second(0))

        #expect(pipeline.abandon(number) == "a")

        #expect([reply(&pipeline), reply(&pipeline)] == ["gone", "b"])
    }

    @Test func `a deadline takes only those that are past it`() {
        var pipeline = pipeline()
        _ = pipeline.submit(EncodedCommand(["PING"]), deadline: second(3), waiter: "late")
        _ = pipeline.submit(EncodedCommand(["PING"]), deadline: second(2), waiter: "early")

        #expect(pipeline.expire(now: second(1)).next == second(2))
        let expiry = pipeline.expire(now: second(2))

        #expect(expiry.timedOut == ["early"])
        #expect(expiry.next == second(3))
        #expect(!expiry.isStalled)
    }

    @Test func `silence while replies are due is a stall`() {
        var pipeline = pipeline()
        _ = pipeline.submit(EncodedCommand(["PING"]), deadline: second(60), waiter: "a")
        _ = pipeline.submit(EncodedCommand(["PING"]), deadline: second(60), waiter: "b")
        _ = pipeline.takeUnsent(now: second(10))

        #expect(pipeline.expire(now: second(14)).next == second(15))
        _ = reply(&pipeline, at: 14)
        #expect(!pipeline.expire(now: second(18)).isStalled)
        #expect(pipeline.expire(now: second(19)).isStalled)
    }

    @Test func `a lost connection fails what was sent and keeps what was not`() {
        var pipeline = pipeline()
        _ = pipeline.submit(EncodedCommand(["PING"]), deadline: second(9), waiter: "sent")
        _ = pipeline.takeUnsent(now: second(0))
        _ = pipeline.submit(EncodedCommand(["PING"]), deadline: second(9), waiter: "waiting")

        #expect(pipeline.connectionLost() == ["sent"])
        #expect(pipeline.takeUnsent(now: second(1))?.readableBytes == 14)
        #expect(reply(&pipeline) == "waiting")
    }

    @Test func `too many commands or bytes are refused`() {
        var few = pipeline(commands: 1)
        #expect(few.submit(EncodedCommand(["PING"]), deadline: second(9), waiter: "a") != nil)
        #expect(few.submit(EncodedCommand(["PING"]), deadline: second(9), waiter: "b") == nil)

        var small = pipeline(bytes: 20)
        #expect(
            small.submit(EncodedCommand(["SET", "k", "0123456789"]), deadline: second(9), waiter: "a") != nil)
        #expect(small.submit(EncodedCommand(["PING"]), deadline: second(9), waiter: "b") == nil)
    }

    @Test func `commands that time out without a connection leave nothing behind`() {
        var pipeline = pipeline()
        for round in Int64(0)..<100 {
            #expect(pipeline.submit(EncodedCommand(["PING"]), deadline: second(round), waiter: "a") != nil)
            #expect(pipeline.expire(now: second(round)).timedOut.count == 1)
        }
        #expect(pipeline.isEmpty)
        #expect(pipeline.takeUnsent(now: second(100)) == nil)
    }
}
