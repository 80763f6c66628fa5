// SPDX-License-Identifier: Apache-2.0

import Actions
import ArgumentParser
import DeclarativeConnectors
import Foundation
import Model
import SyncStore

struct ActionCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "action", abstract: "Do something at a service: send a message, make a subscription.",
        subcommands: [Run.self, List.self, Show.self], defaultSubcommand: Run.self)

    struct Run: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "run", abstract: "Request an action, and wait for its end.",
            discussion: """
                  lockstep action post_message --user u_42 --service slack --input '{"channel":"C1","text":"Hello"}'
                'lockstep connector list --actions' shows what there is. Exits with 0 when the action succeeded, with 1 when \
                it failed or nobody knows whether it took effect, with 69 when it has not ended in time; it goes on then.
                """)

        @Argument(help: "The action's name.")
        var name: String
        @Option(help: "The user's id in your system.")
        var user: String
        @Option(help: "The service.")
        var service: String
        @Option(help: "Tells several accounts of one user at one service apart.")
        var account = IntegrationKey.defaultAccount
        @Option(help: "What the action takes: a JSON object, @FILE, or - for standard input.")
        var input = "{}"
        @Option(help: "Gives the same wish the same action, however often it is requested.")
        var idempotencyKey: String?
        @Flag(inversion: .prefixedNo, help: "Wait until the action has ended.")
        var wait = true
        @Option(help: "How many seconds to wait.")
        var timeout = 60
        @OptionGroup var output: OutputOptions

        func run() async throws {
            let bytes = try ActionInput.read(input)
            try await CommandContext.run { context in
                let registry = try ConnectorCommand.registry(context.settings)
                guard registry.connector(for: service) != nil else {
                    throw Exit.complain(
                        "there is no connector for '\(service)'; there are: \(registry.services.joined(separator: ", "))",
                        Exit.usage)
                }
                let store = ActionStore(pool: context.pool)
                let accepted = try await context.withQueue { queue in
                    let desk = ActionDesk(
                        store: store, integrations: IntegrationStore(pool: context.pool), queue: queue,
                        connector: { registry.connector(for: $0) })
                    do throws(ActionRefusal) {
                        return try await desk.request(
                            name, input: bytes,
                            for: .key(IntegrationKey(userID: user, service: service, account: account)),
                            idempotencyKey: idempotencyKey)
                    } catch {
                        throw Self.complaint(error)
                    }
                }
                if let problem = accepted.queueProblem {
                    FileHandle.standardError.write(
                        Data("lockstep: accepted, but not enqueued yet: \(problem)\n".utf8))
                }
                let limit = ContinuousClock.now.advanced(by: .seconds(wait ? max(0, timeout) : 0))
                let action = try await ActionReport.settled(accepted.id, in: store, until: limit)
                try ActionReport.show(action, asJSON: output.json)
                try Self.exit(action.status, isAwaited: wait)
            }
        }

        private static func complaint(_ refusal: ActionRefusal) -> any Error {
            switch refusal.code {
            case .unknownIntegration: Exit.complain(refusal.message, Exit.noSuchInput)
            case .unknownAction: Exit.complain(refusal.message, Exit.usage)
            case .invalidInput, .invalidKey, .keyInUse: Exit.complain(refusal.message, Exit.badData)
            case .inactive: Exit.complain(refusal.message, Exit.failed)
            case .ledger(let error): error
            }
        }

        private static func exit(_ status: String, isAwaited: Bool) throws {
            switch status {
            case "succeeded": return
            case "failed", "unknown": throw Exit.failed
            default:
                if isAwaited {
                    throw Exit.complain("the action has not ended yet; it goes on", Exit.unavailable)
                }
            }
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List actions, the newest first.")

        @Option(help: "Only of this integration: its id, or USER/SERVICE[/ACCOUNT].")
        var integration: String?
        @Option(help: "Only with this status: requested, running, succeeded, failed or unknown.")
        var status: String?
        @Option(help: "Only actions with a smaller id: the next page.")
        var before: Int64?
        @Option(help: "At most this many.")
        var limit = 100
        @OptionGroup var output: OutputOptions

        private static let statuses = ["requested", "running", "succeeded", "failed", "unknown"]

        func run() async throws {
            if let status, !Self.statuses.contains(status) {
                throw Exit.complain(
                    "'\(status)' is no status; allowed: \(Self.statuses.joined(separator: ", "))", Exit.usage)
            }
            try await CommandContext.run { context in
                var id: Int64?
                if let integration {
                    var target = IntegrationArguments()
                    target.integration = integration
                    id = try await target.find(context).id
                }
                var table = TextTable([
                    "ID", "Name", "User", "Service", "Account", "Status", "Attempts", "Created", "Completed",
                    "Error",
                ])
                let found = try await ActionStore(pool: context.pool).list(
                    integrationID: id, status: status, before: before, limit: max(1, min(limit, 10_000)))
                for action in found {
                    table.add([
                        "\(action.id)", action.name, action.key.userID, action.key.service,
                        action.key.account,
                        action.status, "\(action.attempts)", TimeOutput.text(action.createdAt),
                        TimeOutput.text(action.completedAt), action.errorCode ?? "-",
                    ])
                }
                table.print(asJSON: output.json)
            }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show an action.")

        @Argument(help: "The action's id.")
        var id: Int64
        @OptionGroup var output: OutputOptions

        func run() async throws {
            try await CommandContext.run { context in
                guard let action = try await ActionStore(pool: context.pool).find(id) else {
                    throw Exit.complain("there is no action \(id)", Exit.noSuchInput)
                }
                try ActionReport.show(action, asJSON: output.json)
            }
        }
    }
}

/// An action's input as an argument gives it.
enum ActionInput {
    /// The text itself, the content of `@FILE`, or standard input for `-`.
    static func read(_ argument: String) throws -> [UInt8] {
        if argument == "-" { return Array(FileHandle.standardInput.readDataToEndOfFile()) }
        guard argument.hasPrefix("@") else { return Array(argument.utf8) }
        let path = String(argument.dropFirst())
        do {
            return Array(try Data(contentsOf: URL(fileURLWithPath: path)))
        } catch {
            throw Exit.complain("'\(path)' cannot be read", Exit.noSuchInput)
        }
    }
}

/// What a command says of an action.
enum ActionReport {
    private static let interval: Duration = .milliseconds(100)

    /// The action when it has ended, or as it is at `limit`.
    static func settled(
        _ id: Int64, in store: ActionStore, until limit: ContinuousClock.Instant
    ) async throws -> ActionSummary {
        while true {
            guard let action = try await store.find(id) else {
                throw Exit.complain("action \(id) is gone: its integration was erased", Exit.noSuchInput)
            }
            if action.completedAt != nil || ContinuousClock.now >= limit { return action }
            try await ContinuousClock().sleep(for: interval)
        }
    }

    static func show(_ action: ActionSummary, asJSON: Bool) throws {
        guard asJSON else {
            print("action \(action.id)  \(action.name)  \(action.key)  \(action.status)")
            if let message = action.errorMessage { print(message) }
            if let code = action.errorCode { print("\(code): \(action.errorDetail ?? "")") }
            if let result = action.result { print(result) }
            return
        }
        func text(_ value: String?) -> String { value.map(JSONOutput.quoted) ?? "null" }
        func time(_ value: Timestamp?) -> String { text(value.map(\.rfc3339)) }
        print(
            "{\"id\":\(action.id),\"integration_id\":\(action.integrationID),"
                + "\"user\":\(text(action.key.userID)),\"service\":\(text(action.key.service)),"
                + "\"account\":\(text(action.key.account)),\"name\":\(text(action.name)),"
                + "\"status\":\(text(action.status)),\"input\":\(action.input),"
                + "\"result\":\(action.result ?? "null"),\"error_code\":\(text(action.errorCode)),"
                + "\"error_message\":\(text(action.errorMessage)),\"error_detail\":\(text(action.errorDetail)),"
                + "\"attempts\":\(action.attempts),\"idempotency_key\":\(text(action.idempotencyKey)),"
                + "\"created_at\":\(time(action.createdAt)),\"completed_at\":\(time(action.completedAt))}")
    }
}
