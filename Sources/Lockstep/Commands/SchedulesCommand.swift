// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Cron
import Model
import Settings
import SyncStore

struct SchedulesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "schedules", abstract: "When integrations are synced.",
        subcommands: [List.self, Add.self, Change.self, Remove.self, Next.self])

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List schedules with their next times.")

        @OptionGroup var output: OutputOptions

        func run() async throws {
            try await CommandContext.run { context in
                let (schedules, now) = try await ScheduleStore(pool: context.pool).schedules()
                var table = TextTable([
                    "Name", "Cron", "Zone", "Type", "Service", "Integration", "Enabled", "Catch up",
                    "Spread", "Last slot", "Next slot",
                ])
                for schedule in schedules {
                    let definition = schedule.definition
                    table.add([
                        definition.name, definition.cron, definition.timeZone, definition.type.rawValue,
                        definition.service ?? "-", definition.integrationID.map { "\($0)" } ?? "-",
                        definition.isEnabled ? "yes" : "no", definition.catchUp.rawValue,
                        "\(definition.spreadSeconds)", TimeOutput.text(schedule.lastFire),
                        Self.next(definition, after: now),
                    ])
                }
                table.print(asJSON: output.json)
            }
        }

        /// A row that cannot be read, as SQL may write it, shows its problem instead of a time.
        private static func next(_ definition: ScheduleDefinition, after now: Timestamp) -> String {
            guard definition.isEnabled else { return "-" }
            do throws(CronError) {
                let expression = try CronExpression(definition.cron, hashSeed: definition.name)
                return TimeOutput.text(
                    expression.next(after: now, in: try TimeZoneRules(named: definition.timeZone)))
            } catch {
                return error.message
            }
        }
    }

    struct Add: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Add a schedule.",
            discussion: """
                The narrowest schedule of a type wins: one of an integration replaces those of its service, and these the
                schedules of all services. A disabled one replaces them too, so that nothing fires.
                """)

        @Option(help: "What the schedule is called.")
        var name: String
        @Flag(help: "It does not fire, but replaces wider schedules.")
        var disabled = false
        @OptionGroup var options: ScheduleOptions

        func run() async throws {
            try await CommandContext.run { context in
                guard let cron = options.cron, options.type != nil else {
                    throw Exit.complain("--cron and --type are needed; see --help", Exit.usage)
                }
                var definition = ScheduleDefinition(name: try Self.valid(name), cron: cron, type: .full)
                definition.isEnabled = !disabled
                try await options.apply(to: &definition, context)
                do throws(StoreError) {
                    try await ScheduleStore(pool: context.pool).put(definition)
                } catch {
                    guard error.code == .duplicate else { throw error }
                    throw Exit.complain("\(error.message); change it with 'schedules set'", Exit.usage)
                }
                print("added schedule \(name)")
            }
        }

        /// The name seeds `H` and stands in tables and logs.
        private static func valid(_ name: String) throws -> String {
            let isPlain = name.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"):
                    true
                default: "._:-".utf8.contains(byte)
                }
            }
            guard isPlain, (1...64).contains(name.utf8.count) else {
                throw Exit.complain(
                    "--name: '\(name.prefix(64))' is no name; allowed: 1 to 64 of A-Z a-z 0-9 . _ : -",
                    Exit.usage)
            }
            return name
        }
    }

    struct Change: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "set", abstract: "Change what is given of a schedule, and leave the rest.",
            discussion: "A schedule whose times change owes nothing for the time before.")

        @Argument(help: "The schedule's name.")
        var name: String
        @Flag(help: "It fires.")
        var enable = false
        @Flag(help: "It does not fire, but replaces wider schedules.")
        var disable = false
        @Flag(name: .customLong("all"), help: "For all services and integrations again.")
        var everything = false
        @OptionGroup var options: ScheduleOptions

        func run() async throws {
            try await CommandContext.run { context in
                let store = ScheduleStore(pool: context.pool)
                let schedule = try await SchedulesCommand.find(name, store)
                var definition = schedule.definition
                guard !(enable && disable) else {
                    throw Exit.complain("--enable and --disable: only one of them can hold", Exit.usage)
                }
                if enable || disable { definition.isEnabled = enable }
                if everything {
                    guard options.service == nil, options.integration == nil else {
                        throw Exit.complain("--all stands without --service and --integration", Exit.usage)
                    }
                    (definition.service, definition.integrationID) = (nil, nil)
                }
                try await options.apply(to: &definition, context)
                guard definition != schedule.definition else {
                    print("schedule \(name) is so already")
                    return
                }
                try await store.put(definition, id: schedule.id)
                print("changed schedule \(name)")
            }
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Remove a schedule and the history of its slots.")

        @Argument(help: "The schedule's name.")
        var name: String

        func run() async throws {
            try await CommandContext.run { context in
                let store = ScheduleStore(pool: context.pool)
                _ = try await SchedulesCommand.find(name, store)
                _ = try await store.remove(name)
                print("removed schedule \(name)")
            }
        }
    }

    struct Next: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show when a schedule fires next, by the clock of Postgres.",
            discussion:
                "Jobs of a slot start between its time and the last start, each integration always at the same."
        )

        @Argument(help: "The schedule's name.")
        var name: String
        @Option(help: "How many times, at most 1000.")
        var count = 5
        @OptionGroup var output: OutputOptions

        func run() async throws {
            guard (1...1_000).contains(count) else {
                throw Exit.complain("--count: \(count) is out of range; allowed: 1 to 1000", Exit.usage)
            }
            try await CommandContext.run { context in
                let store = ScheduleStore(pool: context.pool)
                let now = try await store.schedules().now
                let definition = try await SchedulesCommand.find(name, store).definition
                let times = try ScheduleTimes(definition)
                var table = TextTable(["Slot", "Local", "Zone", "Last start"])
                for slot in times.next(count, after: now) {
                    table.add([
                        TimeOutput.text(slot), times.local(slot), definition.timeZone,
                        TimeOutput.text(slot.advanced(by: .seconds(definition.spreadSeconds))),
                    ])
                }
                table.print(asJSON: output.json)
                if !definition.isEnabled, !output.json {
                    print("\nthe schedule is disabled: it does not fire")
                }
            }
        }
    }

    /// Exits with 66 when there is none.
    private static func find(_ name: String, _ store: ScheduleStore) async throws -> Schedule {
        let schedules = try await store.schedules().schedules
        if let found = schedules.first(where: { $0.definition.name == name }) { return found }
        let names = schedules.map(\.definition.name)
        let hint = Suggestion.closest(to: name, among: names).map { ", did you mean '\($0)'?" } ?? ""
        throw Exit.complain(
            "there is no schedule '\(name)'\(hint); see 'lockstep schedules list'", Exit.noSuchInput)
    }
}
