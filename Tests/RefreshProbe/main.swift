// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import Credentials
import Foundation
import HTTPTransport
import Logging
import Model
import OAuth
import PostgresClient
import RedisClient
import SyncStore
import Vault

// One of the processes of a refresh storm: waits for a line on standard input, then lets many callers ask for secrets at
// once, and prints what they got. With STOP_AT it ends itself, as SIGKILL does, at that step of a refresh.

let variables = ProcessInfo.processInfo.environment
/// Past the buffer of `print`, which a pipe would keep.
func say(_ line: String) { FileHandle.standardOutput.write(Data("\(line)\n".utf8)) }
func variable(_ name: String) -> String { variables[name] ?? "" }

var logger = Logger(label: "probe")
logger.logLevel = .critical
var database = try PostgresConfiguration(url: variable("DATABASE_URL"))
database.maxConnections = 4
let pool = PostgresPool(configuration: database)
let redis = RedisClient(configuration: try RedisConfiguration(url: variable("REDIS_URL")), logger: logger)
let running = Task { try await redis.run() }
var client = HTTPClientConfiguration()
client.addressPolicy = .allowing(hosts: [variable("PROVIDER")])
let vault = CredentialVault(keys: try KeyRing(parsing: SecretString(variable("KEYS"))))
let store = CredentialStore(pool: pool)

var configuration = KeeperConfiguration()
configuration.lease = .seconds(3)
configuration.requestTimeout = .seconds(2)
let stopAt = RefreshStep(rawValue: variable("STOP_AT"))
configuration.observe = { step in
    if step == stopAt { kill(getpid(), SIGKILL) }
}
let keeper = CredentialKeeper(
    vault: vault, store: store, http: HTTPClient(configuration: client, logger: logger), redis: redis,
    prefix: variable("PREFIX"), owner: "probe-\(getpid())",
    client: { _ in OAuthClient(id: "app", secret: SecretString("app-secret")) }, logger: logger,
    configuration: configuration)

guard let id = Int64(variable("INTEGRATION")), let callers = Int(variable("CALLERS")),
    let state = try await store.read(id)
else { exit(78) }
let profile = OAuthProfile(
    grant: .authorizationCode(.init(url: "http://\(variable("PROVIDER"))/authorize")),
    tokenURL: "http://\(variable("PROVIDER"))/token")
_ = try await redis.command(["PING"])
say("ready")
guard readLine() != nil else { exit(1) }

let outcomes = try await withThrowingTaskGroup(of: String.self) { group in
    for _ in 0..<callers {
        // Each caller is a run of its own, with its own view of the credential.
        let source = try keeper.source(
            for: IntegrationKey(userID: "u_1", service: "demo"), id: id, title: "Demo", profile: profile,
            configuration: [:], initial: state.credential)
        group.addTask {
            do throws(ConnectorError) {
                let secrets = try await source.current()
                return "ok \(secrets.version ?? 0) \(secrets.values["access_token"]?.exposed ?? "-")"
            } catch {
                return "\(error.errorClass.rawValue) \(error.code)"
            }
        }
    }
    var counts: [String: Int] = [:]
    for try await outcome in group { counts[outcome, default: 0] += 1 }
    return counts
}
await keeper.settle()
for (outcome, count) in outcomes { say("\(count) \(outcome)") }
exit(0)
