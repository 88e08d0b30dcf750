"""What the PumpSwap AMM writes: IDL `pump_amm` 0.1.0 (pump-sdk 2.0.0), all versions since April 2025.

Long because the IDL is: one table, made from the IDL once and compared with it by tests/decoders/test_layouts.py.
"""

from typing import Final

from app.domain.programs import PUMP_SWAP
from indexer.layouts.idl import Idl

_TYPES: Final = {
    "ConfigStatus": "enum Paused Active",
    "FeeTier": "market_cap_lamports_threshold u128, fees Fees",
    "Fees": "lp_fee_bps u64, protocol_fee_bps u64, creator_fee_bps u64",
    "OptionBool": "0 bool",
    "OptionU64": "0 u64",
    "Shareholder": "address pubkey, share_bps u16",
}
_EVENTS: Final = {
    "AdminCtoPoolEvent": """
        timestamp i64, base_mint pubkey, pool pubkey, old_coin_creator pubkey, new_coin_creator pubkey,
        is_holder_reward bool, is_cashback_coin bool, old_creator_fee_bps u64, new_creator_fee_bps u64
    """,
    "AdminUpdateTokenIncentivesEvent": """
        start_time i64, end_time i64, day_number u64, token_supply_per_day u64, mint pubkey, seconds_in_a_day i64,
        timestamp i64
    """,
    "BoostBuyAndBurnEvent": """
        timestamp i64, mint pubkey, bonding_curve pubkey, pool pubkey, authority pubkey, quote_amount_in_requested
        u64, quote_amount_in_used u64, base_amount_burned u64, virtual_quote_reserves i128,
        real_quote_reserves_after u64, base_reserves_after u64, boost_vault_remaining u64
    """,
    "BuyEvent": """
        timestamp i64, base_amount_out u64, max_quote_amount_in u64, user_base_token_reserves u64,
        user_quote_token_reserves u64, pool_base_token_reserves u64, pool_quote_token_reserves u64,
        quote_amount_in u64, lp_fee_basis_points u64, lp_fee u64, protocol_fee_basis_points u64, protocol_fee u64,
        quote_amount_in_with_lp_fee u64, user_quote_amount_in u64, pool pubkey, user pubkey,
        user_base_token_account pubkey, user_quote_token_account pubkey, protocol_fee_recipient pubkey,
        protocol_fee_recipient_token_account pubkey, coin_creator pubkey, coin_creator_fee_basis_points u64,
        coin_creator_fee u64, track_volume bool, total_unclaimed_tokens u64, total_claimed_tokens u64,
        current_sol_volume u64, last_update_timestamp i64, min_base_amount_out u64, ix_name string,
        cashback_fee_basis_points u64, cashback u64, buyback_fee_basis_points u64, buyback_fee u64,
        virtual_quote_reserves i128, can_boost bool, base_supply u64, holder_rewards_bps u64, holder_rewards u64
    """,
    "ClaimCashbackEvent": "user pubkey, amount u64, timestamp i64, total_claimed u64, total_cashback_earned u64",
    "ClaimTokenIncentivesEvent": """
        user pubkey, mint pubkey, amount u64, timestamp i64, total_claimed_tokens u64, current_sol_volume u64
    """,
    "CloseUserVolumeAccumulatorEvent": """
        user pubkey, timestamp i64, total_unclaimed_tokens u64, total_claimed_tokens u64, current_sol_volume u64,
        last_update_timestamp i64
    """,
    "CollectCoinCreatorFeeEvent": """
        timestamp i64, coin_creator pubkey, coin_creator_fee u64, coin_creator_vault_ata pubkey,
        coin_creator_token_account pubkey
    """,
    "CreateConfigEvent": """
        timestamp i64, admin pubkey, lp_fee_basis_points u64, protocol_fee_basis_points u64,
        protocol_fee_recipients [pubkey;8], coin_creator_fee_basis_points u64, admin_set_coin_creator_authority
        pubkey
    """,
    "CreatePoolEvent": """
        timestamp i64, index u16, creator pubkey, base_mint pubkey, quote_mint pubkey, base_mint_decimals u8,
        quote_mint_decimals u8, base_amount_in u64, quote_amount_in u64, pool_base_amount u64, pool_quote_amount
        u64, minimum_liquidity u64, initial_liquidity u64, lp_token_amount_out u64, pool_bump u8, pool pubkey,
        lp_mint pubkey, user_base_token_account pubkey, user_quote_token_account pubkey, coin_creator pubkey,
        is_mayhem_mode bool, creator_fee_bps u64, can_edit_creator_fee bool, is_holder_reward bool
    """,
    "DepositEvent": """
        timestamp i64, lp_token_amount_out u64, max_base_amount_in u64, max_quote_amount_in u64,
        user_base_token_reserves u64, user_quote_token_reserves u64, pool_base_token_reserves u64,
        pool_quote_token_reserves u64, base_amount_in u64, quote_amount_in u64, lp_mint_supply u64, pool pubkey,
        user pubkey, user_base_token_account pubkey, user_quote_token_account pubkey, user_pool_token_account
        pubkey
    """,
    "DisableEvent": """
        timestamp i64, admin pubkey, disable_create_pool bool, disable_deposit bool, disable_withdraw bool,
        disable_buy bool, disable_sell bool
    """,
    "ExtendAccountEvent": "timestamp i64, account pubkey, user pubkey, current_size u64, new_size u64",
    "InitBoostEvent": """
        timestamp i64, mint pubkey, bonding_curve pubkey, pool pubkey, virtual_quote_reserves i128,
        real_quote_reserves_after u64
    """,
    "InitUserVolumeAccumulatorEvent": "payer pubkey, user pubkey, timestamp i64",
    "MigratePoolCoinCreatorEvent": """
        timestamp i64, base_mint pubkey, pool pubkey, sharing_config pubkey, old_coin_creator pubkey,
        new_coin_creator pubkey
    """,
    "ReservedFeeRecipientsEvent": "timestamp i64, reserved_fee_recipient pubkey, reserved_fee_recipients [pubkey;7]",
    "SellEvent": """
        timestamp i64, base_amount_in u64, min_quote_amount_out u64, user_base_token_reserves u64,
        user_quote_token_reserves u64, pool_base_token_reserves u64, pool_quote_token_reserves u64,
        quote_amount_out u64, lp_fee_basis_points u64, lp_fee u64, protocol_fee_basis_points u64, protocol_fee
        u64, quote_amount_out_without_lp_fee u64, user_quote_amount_out u64, pool pubkey, user pubkey,
        user_base_token_account pubkey, user_quote_token_account pubkey, protocol_fee_recipient pubkey,
        protocol_fee_recipient_token_account pubkey, coin_creator pubkey, coin_creator_fee_basis_points u64,
        coin_creator_fee u64, cashback_fee_basis_points u64, cashback u64, buyback_fee_basis_points u64,
        buyback_fee u64, virtual_quote_reserves i128, can_boost bool, base_supply u64, holder_rewards_bps u64,
        holder_rewards u64
    """,
    "SetBondingCurveCoinCreatorEvent": """
        timestamp i64, base_mint pubkey, pool pubkey, bonding_curve pubkey, coin_creator pubkey
    """,
    "SetBoostAuthorityEvent": "timestamp i64, admin pubkey, old_boost_authority pubkey, new_boost_authority pubkey",
    "SetMetaplexCoinCreatorEvent": "timestamp i64, base_mint pubkey, pool pubkey, metadata pubkey, coin_creator pubkey",
    "SyncUserVolumeAccumulatorEvent": """
        user pubkey, total_claimed_tokens_before u64, total_claimed_tokens_after u64, timestamp i64
    """,
    "UpdateAdminEvent": "timestamp i64, admin pubkey, new_admin pubkey",
    "UpdateCreatorFeeConfigEvent": """
        timestamp i64, admin pubkey, creator_fee_configurable bool, max_configurable_creator_fee_bps u64
    """,
    "UpdateFeeConfigEvent": """
        timestamp i64, admin pubkey, lp_fee_basis_points u64, protocol_fee_basis_points u64,
        protocol_fee_recipients [pubkey;8], coin_creator_fee_basis_points u64, admin_set_coin_creator_authority
        pubkey
    """,
    "WithdrawEvent": """
        timestamp i64, lp_token_amount_in u64, min_base_amount_out u64, min_quote_amount_out u64,
        user_base_token_reserves u64, user_quote_token_reserves u64, pool_base_token_reserves u64,
        pool_quote_token_reserves u64, base_amount_out u64, quote_amount_out u64, lp_mint_supply u64, pool pubkey,
        user pubkey, user_base_token_account pubkey, user_quote_token_account pubkey, user_pool_token_account
        pubkey
    """,
    # Last seen in the IDL of 2026-05-19.
    "AdminSetCoinCreatorEvent": """
        timestamp i64, admin_set_coin_creator_authority pubkey, base_mint pubkey, pool pubkey, old_coin_creator
        pubkey, new_coin_creator pubkey
    """,
}
_INSTRUCTIONS: Final = {
    "admin_cto_pool": (
        "coin_creator pubkey, is_holder_reward bool, creator_fee_bps option<u64>",
        "payer global_config pool pool_authority system_program event_authority program",
    ),
    "admin_update_token_incentives": (
        """
            start_time i64, end_time i64, seconds_in_a_day i64, day_number u64, token_supply_per_day u64
        """,
        """
            admin global_config global_volume_accumulator mint global_incentive_token_account
            associated_token_program system_program token_program event_authority program
        """,
    ),
    "boost_buy_and_burn": (
        "quote_amount_in u64, min_base_amount_burned u64",
        """
            pool authority global_config base_mint quote_mint pool_base_token_account pool_quote_token_account
            boost_vault_authority boost_vault base_token_program quote_token_program event_authority program
        """,
    ),
    "buy": (
        "base_amount_out u64, max_quote_amount_in u64, track_volume OptionBool",
        """
            pool user global_config base_mint quote_mint user_base_token_account user_quote_token_account
            pool_base_token_account pool_quote_token_account protocol_fee_recipient
            protocol_fee_recipient_token_account base_token_program quote_token_program system_program
            associated_token_program event_authority program coin_creator_vault_ata coin_creator_vault_authority
            global_volume_accumulator user_volume_accumulator fee_config fee_program
        """,
    ),
    "buy_exact_quote_in": (
        "spendable_quote_in u64, min_base_amount_out u64, track_volume OptionBool",
        """
            pool user global_config base_mint quote_mint user_base_token_account user_quote_token_account
            pool_base_token_account pool_quote_token_account protocol_fee_recipient
            protocol_fee_recipient_token_account base_token_program quote_token_program system_program
            associated_token_program event_authority program coin_creator_vault_ata coin_creator_vault_authority
            global_volume_accumulator user_volume_accumulator fee_config fee_program
        """,
    ),
    "claim_cashback": (
        "",
        """
            user user_volume_accumulator quote_mint quote_token_program user_volume_accumulator_wsol_token_account
            user_wsol_token_account system_program event_authority program
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
    "collect_coin_creator_fee": (
        "",
        """
            quote_mint quote_token_program coin_creator coin_creator_vault_authority coin_creator_vault_ata
            coin_creator_token_account event_authority program
        """,
    ),
    "create_config": (
        """
            lp_fee_basis_points u64, protocol_fee_basis_points u64, protocol_fee_recipients [pubkey;8],
            coin_creator_fee_basis_points u64, admin_set_coin_creator_authority pubkey
        """,
        "admin global_config system_program event_authority program",
    ),
    "create_pool": (
        """
            index u16, base_amount_in u64, quote_amount_in u64, coin_creator pubkey, is_mayhem_mode bool,
            is_cashback_coin OptionBool, creator_fee_bps OptionU64, can_edit_creator_fee OptionBool,
            is_holder_reward OptionBool
        """,
        """
            pool global_config creator base_mint quote_mint lp_mint user_base_token_account
            user_quote_token_account user_pool_token_account pool_base_token_account pool_quote_token_account
            system_program token_2022_program base_token_program quote_token_program associated_token_program
            event_authority program
        """,
    ),
    "deposit": (
        "lp_token_amount_out u64, max_base_amount_in u64, max_quote_amount_in u64",
        """
            pool global_config user base_mint quote_mint lp_mint user_base_token_account user_quote_token_account
            user_pool_token_account pool_base_token_account pool_quote_token_account token_program
            token_2022_program event_authority program
        """,
    ),
    "disable": (
        """
            disable_create_pool bool, disable_deposit bool, disable_withdraw bool, disable_buy bool, disable_sell
            bool
        """,
        "admin global_config event_authority program",
    ),
    "extend_account": (
        "",
        "account user system_program event_authority program",
    ),
    "init_boost": (
        "",
        """
            pool global_config creator base_mint quote_mint pool_base_token_account pool_quote_token_account
            boost_vault_authority boost_vault quote_token_program system_program associated_token_program
            event_authority program
        """,
    ),
    "init_user_volume_accumulator": (
        "",
        "payer user user_volume_accumulator system_program event_authority program",
    ),
    "migrate_pool_coin_creator": (
        "",
        "pool sharing_config event_authority program",
    ),
    "sell": (
        "base_amount_in u64, min_quote_amount_out u64",
        """
            pool user global_config base_mint quote_mint user_base_token_account user_quote_token_account
            pool_base_token_account pool_quote_token_account protocol_fee_recipient
            protocol_fee_recipient_token_account base_token_program quote_token_program system_program
            associated_token_program event_authority program coin_creator_vault_ata coin_creator_vault_authority
            fee_config fee_program
        """,
    ),
    "set_boost_authority": (
        "",
        "admin global_config boost_authority system_program event_authority program",
    ),
    "set_coin_creator": (
        "",
        "pool metadata bonding_curve event_authority program",
    ),
    "set_reserved_fee_recipients": (
        "whitelist_pda pubkey",
        "global_config admin event_authority program",
    ),
    "sync_user_volume_accumulator": (
        "",
        "user global_volume_accumulator user_volume_accumulator event_authority program",
    ),
    "toggle_boost": (
        "enabled bool",
        "admin global_config",
    ),
    "toggle_cashback_enabled": (
        "enabled bool",
        "admin global_config event_authority program",
    ),
    "toggle_mayhem_mode": (
        "enabled bool",
        "admin global_config event_authority program",
    ),
    "transfer_creator_fees_to_pump": (
        "",
        """
            wsol_mint token_program system_program associated_token_program coin_creator
            coin_creator_vault_authority coin_creator_vault_ata pump_creator_vault event_authority program
        """,
    ),
    "transfer_creator_fees_to_pump_v2": (
        "",
        """
            payer quote_mint token_program system_program associated_token_program coin_creator
            coin_creator_vault_authority coin_creator_vault_ata pump_creator_vault pump_creator_vault_ata
            event_authority program
        """,
    ),
    "update_admin": (
        "",
        "admin global_config new_admin event_authority program",
    ),
    "update_buyback_config": (
        "buyback_basis_points option<u64>",
        "admin global_config event_authority program",
    ),
    "update_creator_fee_config": (
        "creator_fee_configurable bool, max_configurable_creator_fee_bps u64",
        "admin global_config system_program event_authority program",
    ),
    "update_fee_config": (
        """
            lp_fee_basis_points u64, protocol_fee_basis_points u64, protocol_fee_recipients [pubkey;8],
            coin_creator_fee_basis_points u64, admin_set_coin_creator_authority pubkey
        """,
        "admin global_config event_authority program",
    ),
    "withdraw": (
        "lp_token_amount_in u64, min_base_amount_out u64, min_quote_amount_out u64",
        """
            pool global_config user base_mint quote_mint lp_mint user_base_token_account user_quote_token_account
            user_pool_token_account pool_base_token_account pool_quote_token_account token_program
            token_2022_program event_authority program
        """,
    ),
    # Last seen in the IDL of 2026-05-19.
    "admin_set_coin_creator": (
        "coin_creator pubkey",
        "admin_set_coin_creator_authority global_config pool event_authority program",
    ),
    # Last seen in the IDL of 2025-11-07.
    "set_reserved_fee_recipient": (
        "reserved_fee_recipient pubkey, whitelist_pda pubkey",
        "admin global_config event_authority program",
    ),
}
_ACCOUNTS: Final = {
    "BondingCurve": """
        virtual_token_reserves u64, virtual_sol_reserves u64, real_token_reserves u64, real_sol_reserves u64,
        token_total_supply u64, complete bool, creator pubkey, is_mayhem_mode bool, is_cashback_coin bool
    """,
    "FeeConfig": """
        bump u8, admin pubkey, flat_fees Fees, fee_tiers vec<FeeTier>, stable_fee_tiers vec<FeeTier>,
        exotic_flat_fees Fees
    """,
    "GlobalConfig": """
        admin pubkey, lp_fee_basis_points u64, protocol_fee_basis_points u64, disable_flags u8,
        protocol_fee_recipients [pubkey;8], coin_creator_fee_basis_points u64, admin_set_coin_creator_authority
        pubkey, whitelist_pda pubkey, reserved_fee_recipient pubkey, mayhem_mode_enabled bool,
        reserved_fee_recipients [pubkey;7], is_cashback_enabled bool, buyback_fee_recipients [pubkey;8],
        buyback_basis_points u64, boost_authority pubkey, boost_enabled bool, creator_fee_configurable bool,
        max_configurable_creator_fee_bps u64
    """,
    "GlobalVolumeAccumulator": """
        start_time i64, end_time i64, seconds_in_a_day i64, mint pubkey, total_token_supply [u64;30], sol_volumes
        [u64;30]
    """,
    "Pool": """
        pool_bump u8, index u16, creator pubkey, base_mint pubkey, quote_mint pubkey, lp_mint pubkey,
        pool_base_token_account pubkey, pool_quote_token_account pubkey, lp_supply u64, coin_creator pubkey,
        is_mayhem_mode bool, is_cashback_coin bool, virtual_quote_reserves i128, creator_fee_bps u64,
        can_edit_creator_fee bool, is_holder_reward bool
    """,
    "SharingConfig": """
        bump u8, version u8, status ConfigStatus, mint pubkey, admin pubkey, admin_revoked bool, shareholders
        vec<Shareholder>
    """,
    "UserVolumeAccumulator": """
        user pubkey, needs_claim bool, total_unclaimed_tokens u64, total_claimed_tokens u64, current_sol_volume
        u64, last_update_timestamp i64, has_total_claimed_tokens bool, cashback_earned u64, total_cashback_claimed
        u64
    """,
}
PUMP_AMM: Final = Idl(PUMP_SWAP, _TYPES, _EVENTS, _INSTRUCTIONS, _ACCOUNTS)
