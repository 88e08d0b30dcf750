"""What the pump.fun bonding-curve program writes: IDL `pump` 0.1.0 (pump-sdk 2.0.0), all versions since April 2025.

Long because the IDL is: one table, made from the IDL once and compared with it by tests/decoders/test_layouts.py.
"""

from typing import Final

from app.domain.programs import PUMP_FUN
from indexer.layouts.idl import Idl

_TYPES: Final = {
    "ConfigStatus": "enum Paused Active",
    "FeeTier": "market_cap_lamports_threshold u128, fees Fees",
    "Fees": "lp_fee_bps u64, protocol_fee_bps u64, creator_fee_bps u64",
    "OptionBool": "0 bool",
    "OptionU64": "0 u64",
    "QuoteControlMint": "mint pubkey, initial_virtual_quote_reserves u64",
    "Shareholder": "address pubkey, share_bps u16",
}
_EVENTS: Final = {
    "AddQuoteControlMintEvent": """
        quote_control pubkey, authority pubkey, quote_mint pubkey, initial_virtual_quote_reserves u64, timestamp
        i64
    """,
    "AdminCtoEvent": """
        timestamp i64, authority pubkey, mint pubkey, bonding_curve pubkey, old_creator pubkey, new_creator
        pubkey, is_holder_reward bool, is_cashback_coin bool, old_creator_fee_bps u64, new_creator_fee_bps u64,
        sharing_config_reset bool, swept_to_holder_vault u64, pool_updated bool
    """,
    "AdminSetIdlAuthorityEvent": "idl_authority pubkey",
    "AdminUpdateTokenIncentivesEvent": """
        start_time i64, end_time i64, day_number u64, token_supply_per_day u64, mint pubkey, seconds_in_a_day i64,
        timestamp i64
    """,
    "ClaimCashbackEvent": "user pubkey, amount u64, timestamp i64, total_claimed u64, total_cashback_earned u64",
    "ClaimTokenIncentivesEvent": """
        user pubkey, mint pubkey, amount u64, timestamp i64, total_claimed_tokens u64, current_sol_volume u64
    """,
    "CloseUserVolumeAccumulatorEvent": """
        user pubkey, timestamp i64, total_unclaimed_tokens u64, total_claimed_tokens u64, current_sol_volume u64,
        last_update_timestamp i64
    """,
    "CollectCreatorFeeEvent": "timestamp i64, creator pubkey, creator_fee u64, quote_mint pubkey",
    "CompleteEvent": "user pubkey, mint pubkey, bonding_curve pubkey, timestamp i64, quote_mint pubkey",
    "CompletePumpAmmMigrationEvent": """
        user pubkey, mint pubkey, mint_amount u64, sol_amount u64, pool_migration_fee u64, bonding_curve pubkey,
        timestamp i64, pool pubkey, quote_mint pubkey
    """,
    "CreateEvent": """
        name string, symbol string, uri string, mint pubkey, bonding_curve pubkey, user pubkey, creator pubkey,
        timestamp i64, virtual_token_reserves u64, virtual_sol_reserves u64, real_token_reserves u64,
        token_total_supply u64, token_program pubkey, is_mayhem_mode bool, is_cashback_enabled bool, quote_mint
        pubkey, virtual_quote_reserves u64, creator_fee_bps u64, is_holder_reward bool
    """,
    "DistributeCreatorFeesEvent": """
        timestamp i64, mint pubkey, bonding_curve pubkey, sharing_config pubkey, admin pubkey, shareholders
        vec<Shareholder>, distributed u64, quote_mint pubkey
    """,
    "DistributeFeeToHoldersEvent": "timestamp i64, mint pubkey, quote_mint pubkey, recipients u64, total u64",
    "ExtendAccountEvent": "account pubkey, user pubkey, current_size u64, new_size u64, timestamp i64",
    "InitUserVolumeAccumulatorEvent": "payer pubkey, user pubkey, timestamp i64",
    "MigrateBondingCurveCreatorEvent": """
        timestamp i64, mint pubkey, bonding_curve pubkey, sharing_config pubkey, old_creator pubkey, new_creator
        pubkey
    """,
    "MinimumDistributableFeeEvent": "minimum_required u64, distributable_fees u64, can_distribute bool",
    "RemoveQuoteControlMintEvent": "quote_control pubkey, authority pubkey, quote_mint pubkey, timestamp i64",
    "ReservedFeeRecipientsEvent": "timestamp i64, reserved_fee_recipient pubkey, reserved_fee_recipients [pubkey;7]",
    "SetCreatorEvent": "timestamp i64, mint pubkey, bonding_curve pubkey, creator pubkey",
    "SetMetaplexCreatorEvent": "timestamp i64, mint pubkey, bonding_curve pubkey, metadata pubkey, creator pubkey",
    "SetParamsEvent": """
        initial_virtual_token_reserves u64, initial_virtual_sol_reserves u64, initial_real_token_reserves u64,
        final_real_sol_reserves u64, token_total_supply u64, fee_basis_points u64, withdraw_authority pubkey,
        enable_migrate bool, pool_migration_fee u64, creator_fee_basis_points u64, fee_recipients [pubkey;8],
        timestamp i64, set_creator_authority pubkey, admin_set_creator_authority pubkey
    """,
    "SetQuoteControlAdminEvent": """
        quote_control pubkey, authority pubkey, old_admin pubkey, new_admin pubkey, timestamp i64
    """,
    "SyncUserVolumeAccumulatorEvent": """
        user pubkey, total_claimed_tokens_before u64, total_claimed_tokens_after u64, timestamp i64
    """,
    "TradeEvent": """
        mint pubkey, sol_amount u64, token_amount u64, is_buy bool, user pubkey, timestamp i64,
        virtual_sol_reserves u64, virtual_token_reserves u64, real_sol_reserves u64, real_token_reserves u64,
        fee_recipient pubkey, fee_basis_points u64, fee u64, creator pubkey, creator_fee_basis_points u64,
        creator_fee u64, track_volume bool, total_unclaimed_tokens u64, total_claimed_tokens u64,
        current_sol_volume u64, last_update_timestamp i64, ix_name string, mayhem_mode bool,
        cashback_fee_basis_points u64, cashback u64, buyback_fee_basis_points u64, buyback_fee u64, shareholders
        vec<Shareholder>, quote_mint pubkey, quote_amount u64, virtual_quote_reserves u64, real_quote_reserves
        u64, holder_rewards_bps u64, holder_rewards u64
    """,
    "UpdateCreatorFeeConfigEvent": """
        timestamp i64, authority pubkey, creator_fee_configurable bool, max_configurable_creator_fee_bps u64
    """,
    "UpdateGlobalAuthorityEvent": "global pubkey, authority pubkey, new_authority pubkey, timestamp i64",
    "UpdateMayhemVirtualParamsEvent": """
        timestamp i64, mint pubkey, virtual_token_reserves u64, virtual_sol_reserves u64,
        new_virtual_token_reserves u64, new_virtual_sol_reserves u64, real_token_reserves u64, real_sol_reserves
        u64
    """,
    # Last seen in the IDL of 2026-05-19.
    "AdminSetCreatorEvent": """
        timestamp i64, admin_set_creator_authority pubkey, mint pubkey, bonding_curve pubkey, old_creator pubkey,
        new_creator pubkey
    """,
}
_INSTRUCTIONS: Final = {
    "add_quote_control_mint": (
        "quote_mint pubkey, initial_virtual_quote_reserves u64",
        "authority global quote_control system_program event_authority program",
    ),
    "add_quote_mint": (
        "quote_mint pubkey",
        "global authority event_authority program",
    ),
    "admin_cto": (
        """
            is_holder_reward option<bool>, creator_fee_bps option<u64>, new_creator option<pubkey>
        """,
        """
            admin_set_creator_authority global mint quote_mint quote_token_program associated_token_program
            system_program bonding_curve current_creator current_creator_quote_token_account creator_vault
            creator_vault_quote_token_account holder_creator_vault holder_creator_vault_quote_token_account
            pump_amm amm_global_config pool_authority pool pump_amm_event_authority coin_creator_vault_authority
            coin_creator_vault_ata sharing_config pump_fees pump_fees_event_authority event_authority program
        """,
    ),
    "admin_set_idl_authority": (
        "idl_authority pubkey",
        """
            authority global idl_account system_program program_signer event_authority program
        """,
    ),
    "admin_update_token_incentives": (
        """
            start_time i64, end_time i64, seconds_in_a_day i64, day_number u64, pump_token_supply_per_day u64
        """,
        """
            authority global global_volume_accumulator mint global_incentive_token_account
            associated_token_program system_program token_program event_authority program
        """,
    ),
    "buy": (
        "amount u64, max_sol_cost u64, track_volume OptionBool",
        """
            global fee_recipient mint bonding_curve associated_bonding_curve associated_user user system_program
            token_program creator_vault event_authority program global_volume_accumulator user_volume_accumulator
            fee_config fee_program
        """,
    ),
    "buy_exact_quote_in_v2": (
        "spendable_quote_in u64, min_tokens_out u64",
        """
            global base_mint quote_mint base_token_program quote_token_program associated_token_program
            fee_recipient associated_quote_fee_recipient buyback_fee_recipient
            associated_quote_buyback_fee_recipient bonding_curve associated_base_bonding_curve
            associated_quote_bonding_curve user associated_base_user associated_quote_user creator_vault
            associated_creator_vault sharing_config global_volume_accumulator user_volume_accumulator
            associated_user_volume_accumulator fee_config fee_program system_program event_authority program
        """,
    ),
    "buy_exact_sol_in": (
        "spendable_sol_in u64, min_tokens_out u64, track_volume OptionBool",
        """
            global fee_recipient mint bonding_curve associated_bonding_curve associated_user user system_program
            token_program creator_vault event_authority program global_volume_accumulator user_volume_accumulator
            fee_config fee_program
        """,
    ),
    "buy_v2": (
        "amount u64, max_sol_cost u64",
        """
            global base_mint quote_mint base_token_program quote_token_program associated_token_program
            fee_recipient associated_quote_fee_recipient buyback_fee_recipient
            associated_quote_buyback_fee_recipient bonding_curve associated_base_bonding_curve
            associated_quote_bonding_curve user associated_base_user associated_quote_user creator_vault
            associated_creator_vault sharing_config global_volume_accumulator user_volume_accumulator
            associated_user_volume_accumulator fee_config fee_program system_program event_authority program
        """,
    ),
    "claim_cashback": (
        "",
        "user user_volume_accumulator system_program event_authority program",
    ),
    "claim_cashback_v2": (
        "",
        """
            user user_volume_accumulator quote_mint quote_token_program associated_token_program
            associated_user_volume_accumulator associated_quote_user system_program event_authority program
        """,
    ),
    "claim_token_incentives": (
        "",
        """
            user user_ata global_volume_accumulator global_incentive_token_account user_volume_accumulator mint
            token_program system_program associated_token_program event_authority program payer
        """,
    ),
    "close_user_volume_accumulator": (
        "",
        "user user_volume_accumulator event_authority program",
    ),
    "collect_creator_fee": (
        "",
        "creator creator_vault system_program event_authority program",
    ),
    "collect_creator_fee_v2": (
        "",
        """
            creator creator_token_account creator_vault creator_vault_token_account quote_mint quote_token_program
            associated_token_program system_program event_authority program
        """,
    ),
    "create": (
        "name string, symbol string, uri string, creator pubkey",
        """
            mint mint_authority bonding_curve associated_bonding_curve global mpl_token_metadata metadata user
            system_program token_program associated_token_program rent event_authority program
        """,
    ),
    "create_v2": (
        """
            name string, symbol string, uri string, creator pubkey, is_mayhem_mode bool, is_cashback_enabled
            OptionBool, creator_fee_bps OptionU64, is_holder_reward OptionBool
        """,
        """
            mint mint_authority bonding_curve associated_bonding_curve global user system_program token_program
            associated_token_program mayhem_program_id global_params sol_vault mayhem_state mayhem_token_vault
            event_authority program
        """,
    ),
    "distribute_creator_fees": (
        "",
        """
            mint bonding_curve sharing_config creator_vault system_program event_authority program
        """,
    ),
    "distribute_creator_fees_v2": (
        "initialize_ata bool",
        """
            payer mint bonding_curve sharing_config creator_vault system_program event_authority program
            creator_vault_quote_token_account quote_mint quote_token_program associated_token_program
        """,
    ),
    "distribute_fee_to_holders": (
        "amounts vec<u64>",
        """
            global holder_reward_claim_authority mint holder_rewards holder_rewards_token_account quote_mint
            quote_token_program associated_token_program system_program event_authority program
        """,
    ),
    "extend_account": (
        "",
        "account user system_program event_authority program",
    ),
    "get_minimum_distributable_fee": (
        "",
        "mint bonding_curve sharing_config creator_vault",
    ),
    "init_user_volume_accumulator": (
        "",
        "payer user user_volume_accumulator system_program event_authority program",
    ),
    "initialize": (
        "",
        "global user system_program",
    ),
    "initialize_quote_control": (
        "",
        "quote_control user system_program",
    ),
    "migrate": (
        "",
        """
            global withdraw_authority mint bonding_curve associated_bonding_curve user system_program
            token_program pump_amm pool pool_authority pool_authority_mint_account pool_authority_wsol_account
            amm_global_config wsol_mint lp_mint user_pool_token_account pool_base_token_account
            pool_quote_token_account token_2022_program associated_token_program pump_amm_event_authority
            event_authority program rent
        """,
    ),
    "migrate_bonding_curve_creator": (
        "",
        "mint bonding_curve sharing_config event_authority program",
    ),
    "migrate_v2": (
        "",
        """
            global withdraw_authority base_mint quote_mint bonding_curve associated_base_bonding_curve
            associated_quote_bonding_curve user system_program pump_amm pool pool_authority
            pool_authority_mint_account pool_authority_quote_account amm_global_config lp_mint
            user_pool_token_account pool_base_token_account pool_quote_token_account base_token_program
            quote_token_program token_2022_program associated_token_program pump_amm_event_authority rent
            event_authority program
        """,
    ),
    "remove_quote_control_mint": (
        "quote_mint pubkey",
        "authority global quote_control system_program event_authority program",
    ),
    "remove_quote_mint": (
        "quote_mint pubkey",
        "global authority event_authority program",
    ),
    "sell": (
        "amount u64, min_sol_output u64",
        """
            global fee_recipient mint bonding_curve associated_bonding_curve associated_user user system_program
            creator_vault token_program event_authority program fee_config fee_program
        """,
    ),
    "sell_v2": (
        "amount u64, min_sol_output u64",
        """
            global base_mint quote_mint base_token_program quote_token_program associated_token_program
            fee_recipient associated_quote_fee_recipient buyback_fee_recipient
            associated_quote_buyback_fee_recipient bonding_curve associated_base_bonding_curve
            associated_quote_bonding_curve user associated_base_user associated_quote_user creator_vault
            associated_creator_vault sharing_config user_volume_accumulator associated_user_volume_accumulator
            fee_config fee_program system_program event_authority program
        """,
    ),
    "set_creator": (
        "creator pubkey",
        "set_creator_authority global mint metadata bonding_curve event_authority program",
    ),
    "set_mayhem_virtual_params": (
        "",
        """
            sol_vault_authority mayhem_token_vault mint global bonding_curve token_program event_authority program
        """,
    ),
    "set_metaplex_creator": (
        "",
        "mint metadata bonding_curve event_authority program",
    ),
    "set_params": (
        """
            initial_virtual_token_reserves u64, initial_virtual_sol_reserves u64, initial_real_token_reserves u64,
            token_total_supply u64, fee_basis_points u64, withdraw_authority pubkey, enable_migrate bool,
            pool_migration_fee u64, creator_fee_basis_points u64, set_creator_authority pubkey,
            admin_set_creator_authority pubkey
        """,
        "global authority event_authority program",
    ),
    "set_quote_control_admin": (
        "new_admin pubkey",
        "global authority quote_control event_authority program",
    ),
    "set_reserved_fee_recipients": (
        "whitelist_pda pubkey",
        "global authority event_authority program",
    ),
    "set_virtual_quote_reserves": (
        "initial_virtual_quote_reserves u64",
        "global authority event_authority program",
    ),
    "sync_user_volume_accumulator": (
        "",
        "user global_volume_accumulator user_volume_accumulator event_authority program",
    ),
    "toggle_cashback_enabled": (
        "enabled bool",
        "global authority event_authority program",
    ),
    "toggle_create_v2": (
        "enabled bool",
        "global authority event_authority program",
    ),
    "toggle_mayhem_mode": (
        "enabled bool",
        "global authority event_authority program",
    ),
    "update_buyback_config": (
        "buyback_basis_points option<u64>",
        "global authority event_authority program",
    ),
    "update_creator_fee_config": (
        "creator_fee_configurable bool, max_configurable_creator_fee_bps u64",
        "global authority event_authority program",
    ),
    "update_global_authority": (
        "",
        "global authority new_authority event_authority program",
    ),
    "update_holder_reward_config": (
        "is_holder_reward_enabled bool, holder_reward_claim_authority pubkey",
        "global authority event_authority program",
    ),
    # Last seen in the IDL of 2026-05-19.
    "admin_set_creator": (
        "creator pubkey",
        "admin_set_creator_authority global mint bonding_curve event_authority program",
    ),
    # Last seen in the IDL of 2025-11-07.
    "set_reserved_fee_recipient": (
        "reserved_fee_recipient pubkey, whitelist_pda pubkey",
        "global authority event_authority program",
    ),
    # Last seen in the IDL of 2025-04-04.
    "withdraw": (
        "",
        """
            global last_withdraw mint bonding_curve associated_bonding_curve associated_user user system_program
            token_program rent event_authority program
        """,
    ),
}
_ACCOUNTS: Final = {
    "BondingCurve": """
        virtual_token_reserves u64, virtual_quote_reserves u64, real_token_reserves u64, real_quote_reserves u64,
        token_total_supply u64, complete bool, creator pubkey, is_mayhem_mode bool, is_cashback_coin bool,
        quote_mint pubkey, creator_fee_bps u64, can_edit_creator_fee bool, is_holder_reward bool
    """,
    "FeeConfig": """
        bump u8, admin pubkey, flat_fees Fees, fee_tiers vec<FeeTier>, stable_fee_tiers vec<FeeTier>,
        exotic_flat_fees Fees
    """,
    "Global": """
        initialized bool, authority pubkey, fee_recipient pubkey, initial_virtual_token_reserves u64,
        initial_virtual_sol_reserves u64, initial_real_token_reserves u64, token_total_supply u64,
        fee_basis_points u64, withdraw_authority pubkey, enable_migrate bool, pool_migration_fee u64,
        creator_fee_basis_points u64, fee_recipients [pubkey;7], set_creator_authority pubkey,
        admin_set_creator_authority pubkey, create_v2_enabled bool, whitelist_pda pubkey, reserved_fee_recipient
        pubkey, mayhem_mode_enabled bool, reserved_fee_recipients [pubkey;7], is_cashback_enabled bool,
        buyback_fee_recipients [pubkey;8], buyback_basis_points u64, initial_virtual_quote_reserves u64,
        whitelisted_quote_mints [pubkey;1], creator_fee_configurable bool, max_configurable_creator_fee_bps u64,
        holder_reward_claim_authority pubkey, is_holder_reward_enabled bool
    """,
    "GlobalVolumeAccumulator": """
        start_time i64, end_time i64, seconds_in_a_day i64, mint pubkey, total_token_supply [u64;30], sol_volumes
        [u64;30]
    """,
    "QuoteControl": "admin pubkey, _reserved [u8;64], mints vec<QuoteControlMint>",
    "SharingConfig": """
        bump u8, version u8, status ConfigStatus, mint pubkey, admin pubkey, admin_revoked bool, shareholders
        vec<Shareholder>
    """,
    "UserVolumeAccumulator": """
        user pubkey, needs_claim bool, total_unclaimed_tokens u64, total_claimed_tokens u64, current_sol_volume
        u64, last_update_timestamp i64, has_total_claimed_tokens bool, cashback_earned u64, total_cashback_claimed
        u64, stable_cashback_earned u64, total_stable_cashback_claimed u64
    """,
}
PUMP: Final = Idl(PUMP_FUN, _TYPES, _EVENTS, _INSTRUCTIONS, _ACCOUNTS)
