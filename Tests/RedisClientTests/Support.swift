// SPDX-License-Identifier: Apache-2.0

import Logging
import RedisClient
import TestSupport
import Testing

/// Runs `body` with a client of the server at `url`, whose `run` ends with the body.
func withRedis<Result: Sendable>(
    _ url: String, configure: (inout RedisConfiguration) -> Void = { _ in },
    _ body: @Sendable (RedisClient) async throws -> Result
) async throws -> Result {
    var configuration = try RedisConfiguration(url: url)
    configure(&configuration)
    let client = RedisClient(
        configuration: configuration, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    return try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await client.run() }
        do {
            let result = try await body(client)
            group.cancelAll()
            return result
        } catch {
            group.cancelAll()
            throw error
        }
    }
}

/// Asks again until `condition` holds or five seconds passed.
func eventually(_ condition: () async throws -> Bool) async throws -> Bool {
    let limit = ContinuousClock.now + .seconds(5)
    while ContinuousClock.now < limit {
        if try await condition() { return true }
        try await Task.sleep(for: .milliseconds(5))
    }
    return false
}

/// The error that `body` throws, if it is a Redis error.
func redisError(_ body: () async throws -> Void) async -> RedisError? {
    do {
        try await body()
        return nil
    } catch {
        return error as? RedisError
    }
}
