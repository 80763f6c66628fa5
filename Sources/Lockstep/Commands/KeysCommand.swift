// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Credentials
import Foundation
import Settings
import SyncStore
import Vault

struct KeysCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "keys", abstract: "The keys that seal credentials.",
        subcommands: [List.self, Rotate.self])

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract:
                "Show how many credentials each key seals. A key with none can be taken out of LOCKSTEP_KEYS."
        )

        @OptionGroup var output: OutputOptions

        func run() async throws {
            try await CommandContext.run(requiring: [.database, .keys]) { context in
                let counts = try await CredentialStore(pool: context.pool).countByKey()
                let known = context.settings.keys.map(\.id)
                var table = TextTable(["Key", "State", "Credentials"])
                for (index, id) in known.enumerated() {
                    let count = counts.first { $0.keyID == id }?.count ?? 0
                    table.add([id, index == 0 ? "current" : "old", "\(count)"])
                }
                for item in counts where !known.contains(item.keyID) {
                    table.add([item.keyID, "missing", "\(item.count)"])
                }
                table.print(asJSON: output.json)
            }
        }
    }

    struct Rotate: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Seal all credentials with the current key, the first of LOCKSTEP_KEYS.",
            discussion: """
                Workers may run. Started again, it goes on where it stopped. Exits with 1 when a credential could not be
                opened; it is left as it is.
                """)

        @OptionGroup var output: OutputOptions

        func run() async throws {
            try await CommandContext.run(requiring: [.database, .keys]) { context in
                let vault = try CommandVault.make(context.settings)
                let showsProgress = StandardOutput.isTerminal && !output.json
                let report = try await KeyRotation(
                    vault: vault, store: CredentialStore(pool: context.pool),
                    subscriptions: SubscriptionStore(pool: context.pool)
                ).run {
                    if showsProgress {
                        FileHandle.standardError.write(Data("\r\($0.rewrapped) credentials".utf8))
                    }
                }
                if showsProgress { FileHandle.standardError.write(Data("\r".utf8)) }
                show(report, key: vault.currentKeyID)
                if !report.failures.isEmpty { throw Exit.failed }
            }
        }

        private func show(_ report: KeyRotation.Report, key: String) {
            guard !output.json else {
                let failures = report.failures.map { failure in
                    let subscription = failure.subscriptionID.map { "\"subscription_id\":\($0)," } ?? ""
                    return "{\"integration_id\":\(failure.integrationID.map { "\($0)" } ?? "null"),"
                        + "\(subscription)\"reason\":\(JSONOutput.quoted(failure.reason))}"
                }
                print(
                    "{\"key\":\(JSONOutput.quoted(key)),\"rewrapped\":\(report.rewrapped),"
                        + "\"failures\":[\(failures.joined(separator: ","))]}")
                return
            }
            print("\(report.rewrapped) credentials are sealed with '\(key)' now")
            for failure in report.failures {
                let subject =
                    failure.integrationID.map { "integration \($0)" }
                    ?? "subscription \(failure.subscriptionID ?? 0)"
                _ = Exit.complain("\(subject): \(failure.reason)", Exit.failed)
            }
        }
    }
}
