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
    // All tests start at once, and the machine may be busy with other things.
    configuration.commandTimeout = .seconds(30)
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

/// Asks again until `condition` holds or half a minute passed.
func eventually(_ condition: () async throws -> Bool) async throws -> Bool {
    let limit = ContinuousClock.now + .seconds(30)
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
